import TestKit

/// Files with names that break naive code, and of sizes at which something ends: a READ of pull brings 255 KiB, a WRITE
/// of push takes 32 KiB, 16 of which are sent together.
enum OddFiles {
    /// Their names, each with its content, no two of which are the same.
    static let all: [(name: String, bytes: [UInt8])] = [
        ("plain.txt", sampleBytes(10)), ("with space.txt", sampleBytes(11)), ("a+b=c&d.txt", sampleBytes(12)),
        ("100%.txt", sampleBytes(13)), ("%2F%20.txt", sampleBytes(14)), ("it's \"quoted\".txt", sampleBytes(15)),
        ("back\\slash.txt", sampleBytes(16)), ("#hash?question.txt", sampleBytes(17)), ("~tilde", sampleBytes(18)),
        ("\u{E9}t\u{E9}.txt", sampleBytes(19)), ("e\u{301}te\u{301}.txt", sampleBytes(20)),
        ("日本語 🗂.txt", sampleBytes(21)), ("tab\tname", sampleBytes(23)),
        (".hidden", sampleBytes(24)), ("-dash", sampleBytes(25)), ("*.txt", sampleBytes(26)),
        (String(repeating: "n", count: 200), sampleBytes(27)), ("empty", []),
        ("32 KiB", sampleBytes(32 << 10)), ("32 KiB + 1", sampleBytes(32 << 10 + 1)),
        ("255 KiB", sampleBytes(255 << 10)), ("255 KiB + 1", sampleBytes(255 << 10 + 1)),
        ("512 KiB", sampleBytes(512 << 10)), ("512 KiB + 1", sampleBytes(512 << 10 + 1)),
        ("8 MiB", sampleBytes(8 << 20)), ("8 MiB + 1", sampleBytes(8 << 20 + 1)),
    ]
}
