import { errors } from '@nats-io/transport-node'
import t from 'tap'
import { asked } from '../../../../lib/endpoints/nats/asked.js'

function question(...answers: (string | Error)[]) {
  const question = {
    count: 0,
    async ask() {
      const answer = answers[Math.min(question.count++, answers.length - 1)]
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  return question
}

t.test('a question that is not answered is asked again', async t => {
  const { ask } = question(
    new errors.TimeoutError(),
    new Error('about it', { cause: new errors.TimeoutError() }),
    'yes',
  )
  t.equal(await asked(ask), 'yes')
})

t.test('what the server says is the answer', async t => {
  const no = question(new Error('no'), 'yes')
  await t.rejects(asked(no.ask), /^no$/)
  t.equal(no.count, 1)
})

t.test('a server that never answers', async t => {
  const silent = question(new errors.TimeoutError())
  await t.rejects(asked(silent.ask), { name: 'TimeoutError' })
  t.equal(silent.count, 8)
})
