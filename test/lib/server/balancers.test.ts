import t from 'tap'
import { toAddress } from '../../../lib/endpoints/address.js'
import { balancersOf, checkBalancers, type ProxyProtocol } from '../../../lib/server/balancers.js'

t.test('what can be no balancers of a server is told with its name', async t => {
  for (const [option, address, message] of [
    [5, '1', /^proxyProtocol: 5 is not allowed; expected an object$/],
    [{ from: 'x' }, '1', /^proxyProtocol\.from: a string is not allowed; expected an array of rules$/],
    [{}, '1', /^proxyProtocol\.from: undefined is not allowed; expected an array of rules$/],
    [{ from: [] }, '1', /^proxyProtocol\.from: an empty list would refuse everyone$/],
    [{ from: ['junk'] }, '1', /^proxyProtocol\.from: 'junk' is not an address, a CIDR or a range/],
    [{ from: ['::1'], timeout: 0 }, '1', /^proxyProtocol\.timeout: 0 is not allowed; expected more than 0$/],
    [{ from: ['::1'], timeout: -1 }, '1', /^proxyProtocol\.timeout: -1 is not allowed/],
    [
      { from: ['unix'] },
      '1',
      /^proxyProtocol: the clients of 127\.0\.0\.1:1 have IP addresses; expected more than unix$/,
    ],
    [{ from: ['::1'] }, 'unix:/a', /^proxyProtocol: the clients of unix:\/a have no IP address; expected unix$/],
    [{ from: ['::1'] }, 'tls://unix:/a', /^proxyProtocol: the clients of tls:\/\/unix:\/a have no IP address/],
    [{ from: ['::1'] }, 'memory:a', /^proxyProtocol: memory:a is not an address of sockets$/],
  ] as unknown as [ProxyProtocol, string, RegExp][])
    t.throws(() => checkBalancers(option, toAddress(address)), { code: 'ERR_OPTION', message })
  checkBalancers(undefined, toAddress('memory:a'))
  checkBalancers({ from: ['10.0.0.0/8', 'unix'] }, toAddress('reliable://1'))
  checkBalancers({ from: ['10.0.0.0/8', 'unix'], timeout: 1 }, toAddress('unix:/a'))
})

t.test('a balancer is believed if a rule matches its address', async t => {
  const refused = () => {}
  t.equal(balancersOf(undefined, 1, refused), undefined)
  const balancers = balancersOf({ from: ['10.0.0.0/8', 'fd00::1', 'unix'] }, 7, refused)
  t.match(balancers, { timeout: 5000, max: 7, refused })
  for (const [remote, expected] of [
    ['10.1.2.3', true],
    ['fd00::1', true],
    ['unix', true],
    ['11.0.0.1', false],
    ['unknown', false],
  ] as const)
    t.equal(balancers?.believes(remote), expected, remote)
  t.match(balancersOf({ from: ['::1'], timeout: 9 }, 1, refused), { timeout: 9 })
  t.equal(balancersOf({ from: ['::1'] }, 1, refused)?.believes('unix'), false)
})
