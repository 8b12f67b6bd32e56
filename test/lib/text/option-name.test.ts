import t from 'tap'
import { tooLong } from '../../../lib/text/errors.js'
import { nameOptionsAsTyped, optionName, withOptionNames } from '../../../lib/text/option-name.js'

t.test('a message names options as code does, or, on the command line, as they are typed', async t => {
  t.equal(optionName('ignoreUnexpectedEof'), 'ignoreUnexpectedEof')
  t.equal(tooLong('line', 7).message, 'a line is longer than maxRecord, 7 bytes')
  nameOptionsAsTyped()
  t.equal(optionName('ignoreUnexpectedEof'), '--ignore-unexpected-eof')
  t.equal(optionName('force'), '--force')
  t.equal(tooLong('line', 7).message, 'a line is longer than --max-record, 7 bytes')
})

t.test('a fixed text with options in braces', async t => {
  t.equal(withOptionNames('see {ca} and {serverName}'), 'see --ca and --server-name')
})

t.test('an option that the command line calls otherwise', async t => {
  nameOptionsAsTyped({ cert: 'targetCert' })
  t.equal(withOptionNames('see {cert} and {key}'), 'see --target-cert and --key')
})
