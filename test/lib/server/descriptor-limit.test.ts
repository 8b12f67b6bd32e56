import { join } from 'node:path'
import t from 'tap'
import { connectionLimit } from '../../../lib/server/descriptor-limit.js'

const limits = (soft: string) => `Limit                     Soft Limit           Hard Limit           Units
Max processes             31805                31805                processes
Max open files            ${soft.padEnd(20)} 1048576              files
`

t.test('as many connections as the limit of open files leaves room for, and never none', async t => {
  const dir = t.testdir({ usual: limits('1024'), small: limits('70'), tiny: limits('16'), none: limits('unlimited') })
  t.equal(connectionLimit(1, join(dir, 'usual')), 960, 'what is left beside the reserve')
  t.equal(connectionLimit(2, join(dir, 'usual')), 480, 'two descriptors for each connection')
  t.equal(connectionLimit(4, join(dir, 'small')), 1)
  t.equal(connectionLimit(1, join(dir, 'tiny')), 1, 'never none')
  t.equal(connectionLimit(1, join(dir, 'none')), Number.POSITIVE_INFINITY, 'no limit')
  t.equal(connectionLimit(1, join(dir, 'missing')), Number.POSITIVE_INFINITY, 'the system does not tell')
  t.ok(connectionLimit(1) >= 1, 'this system')
})
