// The same, but it does not say that it keeps no chunk.
export default chunk => chunk
