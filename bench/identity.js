// A stage that passes everything: what stages cost as such.
export default chunk => chunk
