// A stage that passes every line on: what cutting data into lines costs.
import { eachLine } from 'tcp-pipe'

export default eachLine(line => line)
