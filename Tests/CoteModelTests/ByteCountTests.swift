import CoteModel
import Testing

@Suite struct ByteCountTests {
    @Test(
        arguments: [
            ("0", 0), ("17", 17), ("1k", 1024), ("64m", 64 << 20), ("2G", 2 << 30), ("3gib", 3 << 30),
            ("1t", 1 << 40),
        ] as [(String, UInt64)])
    func `a size reads as its bytes`(text: String, bytes: UInt64) {
        #expect(ByteCount(parsing: text)?.bytes == bytes)
    }

    @Test(arguments: ["", "k", "-1", "1.5g", "1 g", "99999999999t", "0x10", "١"])
    func `what is not a size is refused`(text: String) {
        #expect(ByteCount(parsing: text) == nil)
    }

    @Test(arguments: [0, 1, 1023, 1024, 1536, 1 << 20, (1 << 30) + 1, UInt64.max] as [UInt64])
    func `a size written out reads back the same`(bytes: UInt64) {
        #expect(ByteCount(parsing: ByteCount(bytes).description)?.bytes == bytes)
    }
}
