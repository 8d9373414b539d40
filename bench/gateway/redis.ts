import { spawnSync } from 'node:child_process'
import { startRedis, type TestRedis } from '../../tests/support/redis-server.ts'
import { LOAD_CORE } from '../http/process.ts'

/** A Redis that keeps nothing on disk, beside the load: what is measured has the other core to itself. */
export async function startRedisOnLoadCore(): Promise<TestRedis> {
  const redis = await startRedis()
  if (!redis) throw new Error('expected redis-server on the PATH, got none: install it')
  if (Bun.which('taskset')) spawnSync('taskset', ['-a', '-c', '-p', String(LOAD_CORE), String(redis.pid)])
  return redis
}
