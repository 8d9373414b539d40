import { expect, test } from 'bun:test'
import { groupsOf, isLoopback, networkOf } from '../../src/networks.ts'

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:c000:207', '192.0.2.7'],
  ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
])('callers at %s are told apart as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test.each([
  '',
  ':',
  ':::',
  '1::2::3',
  '1:2:3',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::8',
  'g::',
  '12345::',
  '256.1.1.1',
  '1.2.3',
  '1.2.3.4.5',
  'a:b',
  'unknown',
])('%p is no address, and stays as it is', (text) => {
  expect(groupsOf(text)).toBeNull()
  expect(networkOf(text)).toBe(text)
})

test('this machine alone is localhost, 127.0.0.0/8 and ::1, the latter in brackets as well', () => {
  for (const host of ['localhost', '127.0.0.1', '127.255.0.9', '::1', '[::1]'])
    expect([host, isLoopback(host)]).toEqual([host, true])
  const others = [
    '',
    '0.0.0.0',
    '::',
    '[::]',
    '10.0.0.1',
    '127.0.0.1.evil.test',
    'x127.0.0.1',
    'localhost.evil.test',
    '128.0.0.1',
  ]
  for (const host of others) expect([host, isLoopback(host)]).toEqual([host, false])
})
