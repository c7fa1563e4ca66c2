@testable import AWS

enum CredentialsFuzzing {
    /// The files of the AWS tools, and what a container's endpoint and AWS STS answer: all are taken for each.
    static func credentials(_ bytes: [UInt8]) throws {
        try sharedFile(bytes)
        try answer(bytes, of: ContainerCredentials(environment: [:]))
        try answer(bytes, of: WebIdentityCredentials(environment: [:]))
    }

    private static func answer(_ bytes: [UInt8], of service: some CredentialsService) throws {
        let refusal = service.refusal(status: 400, body: bytes)
        try must(isOfOneLine(refusal.error.message), "the refusal is not of one line: \(refusal.error.message)")
        let credentials: AWSCredentials
        do throws(CredentialsError) { credentials = try service.credentials(in: bytes) } catch {
            try must(isOfOneLine(error.message), "the error is not of one line: \(error.message)")
            return try must(!shows(error.message, pieceOf: bytes), "the error shows the answer: \(error.message)")
        }
        try check(credentials)
    }

    private static func sharedFile(_ bytes: [UInt8]) throws {
        let sections = SharedFiles.parse(bytes)
        for (name, properties) in sections {
            try must(!name.utf8.contains(0x0A), "a section of two lines: \(name)")
            for (key, value) in properties {
                try must(!key.utf8.contains(0x0A) && !value.utf8.contains(0x0A), "of two lines: \(key)=\(value)")
                try must(Text.trimmed(key) == key && Text.trimmed(value) == value, "not trimmed: \(key)=\(value)")
            }
        }
        // What has none but plain names is read again as the same from what is written of it.
        let plain = sections.filter { $0.value.keys.allSatisfy(isPlain) }
        let lines = plain.flatMap { name, properties in ["[\(name)]"] + properties.map { "\($0)=\($1)" } }
        try must(SharedFiles.parse(Array(lines.joined(separator: "\n").utf8)) == plain, "\(plain) becomes another")
        // The two files together.
        let files = FileReader { _ in bytes }
        let shared = SharedFiles(environment: ["HOME": "/", "AWS_PROFILE": "p"], files: files)
        let expected =
            sections["p"].map { (sections["profile p"] ?? [:]).merging($0) { $1 } } ?? sections["profile p"]
        try must(try shared.properties() == expected, "the profile is another one: \(sections)")
    }

    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    }

    private static func check(_ credentials: AWSCredentials) throws {
        var dumped = ""
        dump(credentials, to: &dumped)
        for secret in [credentials.secretAccessKey, credentials.sessionToken ?? ""].map({ Array($0.utf8) })
        where !shows(credentials.accessKeyID, pieceOf: secret) {
            for text in ["\(credentials)", "\([credentials])", dumped] {
                try must(!shows(text, pieceOf: secret), "the description shows a secret: \(text)")
            }
        }
        // RFC 3339 has years of four digits.
        if let end = credentials.expirationEpochSeconds {
            try must((-62_300_000_000...253_500_000_000).contains(end), "they end at \(end)")
        }
    }
}
