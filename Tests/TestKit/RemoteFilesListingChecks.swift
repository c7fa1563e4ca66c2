import Testing
import Transfers

/// Listing and looking.
extension RemoteFilesCheck {
    func listingGivesEveryEntryOnce() async throws {
        var expected: Set<String> = ["directory", "link", ".hidden", ".done"]
        for number in 0..<250 {
            let name = "file-\(number)"
            _ = try await put(place / name, countBytes: number)
            expected.insert(name)
        }
        _ = try await put(place / ".hidden", countBytes: 1)
        try await partner.makeDirectory(place / "directory")
        try await partner.makeDirectory(place / ".done")
        try await partner.makeLink(place / "link", place / "file-1")

        var names: [String] = []
        for entry in try await list(place) {
            guard case .entry(let name, let attributes) = entry else {
                Issue.record("refused: \(entry)")
                continue
            }
            names.append(name.description)
            let kind: RemoteAttributes.Kind =
                switch name.description {
                case "directory", ".done": .directory
                case "link": .symbolicLink
                default: .file
                }
            #expect(attributes.kind == kind || attributes.kind == .unknown, "\(name)")
            guard kind == .file else { continue }
            let size = name.description == ".hidden" ? 1 : UInt64(name.description.dropFirst(5))
            #expect(attributes.version.sizeBytes == nil || attributes.version.sizeBytes == size, "\(name)")
            #expect(attributes.version.modified == nil || attributes.version.modified == time, "\(name)")
        }
        #expect(Set(names) == expected)
        #expect(names.count == expected.count, "an entry came twice")
    }

    func listingMayBeClosedEarly() async throws {
        for number in 0..<250 { _ = try await put(place / "file-\(number)", countBytes: 1) }
        for _ in 0..<20 {
            let listing = try await files.openDirectory(place)
            #expect(try await listing.next()?.isEmpty == false)
            await listing.close()
        }
        let unread = try await files.openDirectory(place)
        await unread.close()
        #expect(try await list(place).count == 250)

        try await partner.makeDirectory(place / "empty")
        #expect(try await list(place / "empty").isEmpty)
    }

    func listingOfNothingIsNotFound() async throws {
        await expectFailure(.notFound) { _ = try await list(place / "nothing") }
        _ = try await put(place / "file", countBytes: 1)
        // OpenSSH answers "no such file" to ENOTDIR, others "failure".
        await expectFailure { _ = try await list(place / "file") }
    }

    func namesAreBytes() async throws {
        let texts = [
            "with space", " leading and trailing ", "plus+percent%20and%", "quote'double\"back`tick", "back\\slash",
            "-dash", "#?&=;:@!$()[]{}<>|~^*,", "new\nline\ttab", "composed \u{E9}", "decomposed e\u{301}", "文件 🗂",
            String(repeating: "n", count: 200), "...", "..a", "a..",
        ]
        let names = texts.map { Array($0.utf8) } + [[0xFF, 0xFE, 0x41], Array("caf".utf8) + [0xE9]]
        for (number, name) in names.enumerated() {
            let path = RemotePath(bytes: place.bytes + [UInt8(ascii: "/")] + name)
            try await partner.put(path, Array("\(number)".utf8), time)
        }
        var found: Set<[UInt8]> = []
        for entry in try await list(place) {
            guard case .entry(let name, _) = entry else {
                Issue.record("refused: \(entry)")
                continue
            }
            found.insert(name.bytes)
        }
        #expect(found == Set(names))
        #expect(found.count == names.count, "two names have become one")
        for (number, bytes) in names.enumerated() {
            guard let name = RemoteName(bytes: bytes) else { continue }
            let path = place.appending(name)
            let content = try await withFile(path) { reader in
                try await reader.read(from: 0, countBytes: "\(number)".utf8.count, verifyingEnd: true)
            }
            #expect(joinedBytes(content) == Array("\(number)".utf8), "\(name)")
            let attributes = try await files.attributes(of: path)
            #expect(attributes?.kind == .file || attributes?.kind == .unknown, "\(name)")
        }
    }

    func attributesTellWhatIsThere() async throws {
        let (_, version) = try await put(place / "file", countBytes: 1234)
        try await partner.makeDirectory(place / "directory")
        try await partner.makeLink(place / "link", place / "file")
        try await partner.makeLink(place / "dangling", place / "nothing")

        let file = try await files.attributes(of: place / "file")
        #expect(file?.kind == .file || file?.kind == .unknown)
        #expect(file?.version.sizeBytes == nil || file?.version.sizeBytes == version.sizeBytes)
        #expect(file?.version.modified == nil || file?.version.modified == version.modified)
        let directory = try await files.attributes(of: place / "directory")
        #expect(directory?.kind == .directory || directory?.kind == .unknown)
        for name in ["link", "dangling"] {
            let link = try await files.attributes(of: place / name)
            #expect(link?.kind == .symbolicLink || link?.kind == .unknown, "links are not followed")
        }
    }

    func nothingThereIsNilAndNoError() async throws {
        #expect(try await files.attributes(of: place / "nothing") == nil)
        #expect(try await files.attributes(of: place / "nothing" / "below") == nil)
        try await files.removeFile(place / "nothing")
    }
}
