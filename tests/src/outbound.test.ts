/** Which addresses requests go to that somebody else has said. */
import { expect, test } from 'bun:test'
import { checkOutbound, isPublicIp } from '../../src/outbound.ts'

const REFUSED = [
  ...[
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '127.0.0.1.',
    '127.255.255.255',
  ],
  ...[
    '0.0.0.0',
    '0',
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.127.255.255',
  ],
  ...['169.254.169.254', '0xa9fea9fe', '169.254.170.2', '192.0.0.192', '192.0.2.1', '198.18.0.1', '198.19.255.255'],
  ...['198.51.100.7', '203.0.113.9', '192.88.99.1', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255'],
  ...[
    '[::]',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[fe80::1]',
    '[febf::1]',
    '[fc00::1]',
    '[fdff::1]',
    '[fd00:ec2::254]',
    '[ff02::1]',
  ],
  ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::ffff:a9fe:a9fe]', '[::127.0.0.1]', '[::ffff:0:127.0.0.1]'],
  ...['[64:ff9b::10.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::1]', '[2002:7f00:1::]', '[2002:a00:1::1]', '[2001::1]'],
  ...['[2001:db8::1]', '[2001:20::1]', '[3fff::1]', '[5f00::1]', '[100::1]', '[4000::1]', '[fec0::1]'],
  ...[
    'localhost',
    'LOCALHOST',
    'localhost.',
    'app.localhost',
    'printer.local',
    'metadata.google.internal',
    'db.internal.',
  ],
  ...['metadata', 'redis', 'redis.', 'nas.home.arpa', 'host.localdomain', '１２７.0.0.1', '127。0。0。1'],
]

const TAKEN = [
  ...[
    'example.com',
    'hooks.example.com.',
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
  ],
  ...[
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
  ],
  ...[
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    'localhost.example.com',
    'internal.example.com',
    'local.example',
  ],
  ...[
    '[2606:4700:4700::1111]',
    '[2001:4860:4860::8888]',
    '[2a00::1]',
    '[::ffff:8.8.8.8]',
    '[64:ff9b::808:808]',
    '[2001:200::1]',
  ],
]

const nameOf = (run: () => void) => {
  try {
    run()
    return null
  } catch (error) {
    return (error as Error).name
  }
}

test.each(REFUSED)('%s is refused, with a port and without', (host) => {
  for (const url of [`https://${host}/`, `http://${host}:8443/hook`])
    expect([url, nameOf(() => checkOutbound(url))]).toEqual([url, 'AddressRefused'])
})

test.each(TAKEN)('%s is taken', (host) => {
  for (const url of [`https://${host}/`, `http://${host}:8443/hook`])
    expect(nameOf(() => checkOutbound(url))).toBeNull()
})

test('a host that is allowed is taken, with any port or with its own', () => {
  const allow = (url: string, ...hosts: string[]) => nameOf(() => checkOutbound(url, hosts))
  expect(allow('http://10.0.0.7:9000/', '10.0.0.7')).toBeNull()
  expect(allow('http://10.0.0.7:9000/', '10.0.0.7:9000')).toBeNull()
  expect(allow('http://10.0.0.7/', '10.0.0.7:9000')).toBe('AddressRefused')
  expect(allow('http://Hooks.Internal/', 'hooks.INTERNAL')).toBeNull()
  expect(allow('http://[::1]:80/', '[::1]')).toBeNull()
  expect(allow('http://hooks.internal.evil.internal/', 'hooks.internal')).toBe('AddressRefused')
  expect(allow('http://10.0.0.8/', '10.0.0.7')).toBe('AddressRefused')
})

test('a refusal names the server alone', () => {
  expect(() => checkOutbound('https://10.0.0.7:8443/hook?token=secret')).toThrow(
    'expected an address on the public internet, got https://10.0.0.7:8443: if it may be called, name its host in allowHosts or TQ_ALLOW_HOSTS',
  )
})

test('addresses are read as a resolver writes them', () => {
  const addresses = [
    '127.0.0.1',
    '::1',
    'fe80::1%eth0',
    '::ffff:10.0.0.1',
    '8.8.8.8',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
  ]
  expect(addresses.filter(isPublicIp)).toEqual(['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])
})
