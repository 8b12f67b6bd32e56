import { page } from './page.js'

process.stdout.write(page())
