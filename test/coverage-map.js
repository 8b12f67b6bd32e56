/** A test covers the file whose path it mirrors; tests of whole programs cover none. */
export default test =>
  test.startsWith('test/lib/') || test.startsWith('test/transforms/')
    ? test.replace(/^test\//, '').replace(/\.test\.ts$/, '.ts')
    : null
