/** A test covers the file whose path it mirrors; tests of whole programs cover none. */
export default test =>
  /^dist\/test\/(lib|transforms)\//.test(test) ? test.replace(/^dist\/test\//, '').replace(/\.test\.js$/, '.ts') : null
