import Foundation
import TestKit
import Testing

/// The image of `examples/container`: the files that its Dockerfile puts together, and no others, are all that the
/// programs need.
@Suite(.enabled(if: BuildProducts.zips != nil, "make test makes the zips and runs these tests"))
struct ContainerImageTests {
    @Test(.enabled(if: EmptyRoot.obstacle == nil, "this needs root, or user namespaces"))
    func theProgramsRunInTheFilesOfTheImage() async throws {
        let folder = try TemporaryFolder()
        let image = try Self.image(in: folder.url)
        let programs = try FileManager.default.contentsOfDirectory(atPath: image.appendingPathComponent("bin").path)
        #expect(Set(programs) == Set(BuildProducts.functions), "and no shell")
        #expect(Self.isFile("etc/ssl/certs/ca-certificates.crt", in: image))
        for function in BuildProducts.functions {
            let run = try await Self.run(image, function, ["--version"], [:])
            #expect(run.status == 0 && run.output.hasPrefix("\(function) (sftp-lambda) "), "\(run.errors)")
        }
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "content")
        try await world.run {
            let run = try await Self.run(image, "pull", [], world.environment([:]))
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.output.hasPrefix("1 file transferred, 7 bytes"), "\(run.output)")
            #expect(world.read("outgoing/.done/file") == "content")
        }
    }

    private static func isFile(_ path: String, in image: URL) -> Bool {
        FileManager.default.fileExists(atPath: image.appendingPathComponent(path).path)
    }

    /// Runs the step of the Dockerfile that puts the image together, with the folders that it names below `folder`.
    private static func image(in folder: URL) throws -> URL {
        let dockerfile = try String(
            contentsOf: StandIn.packageRoot.appendingPathComponent("examples/container/Dockerfile"), encoding: .utf8)
        let steps = dockerfile.replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n")
            .filter { $0.hasPrefix("RUN ") && $0.contains("/image/") }
        try #require(steps.count == 1)
        let zips = try BuildProducts.zip("pull").deletingLastPathComponent()
        var step = String(steps[0].dropFirst("RUN ".count))
        let places = ["zips": zips.path, "unpacked": folder.path + "/unpacked", "image": folder.path + "/image"]
        for (name, place) in places {
            step = step.replacingOccurrences(of: " /\(name)/", with: " \(place)/")
                .replacingOccurrences(of: "\"/\(name)/", with: "\"\(place)/")
                .replacingOccurrences(of: " /\(name);", with: " \(place);")
        }
        // The unzip of the test machine, under the name that the image's first stage has for it.
        let tools = folder.appendingPathComponent("tools")
        for name in ["tools", "unpacked"] {
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try FileManager.default.createSymbolicLink(
            atPath: tools.appendingPathComponent("unzip").path, withDestinationPath: "/bin/busybox")
        try Tool.run("/usr/bin/env", "PATH=\(tools.path):/usr/bin:/bin", "/bin/sh", "-e", "-c", step)
        // Whatever runs containers mounts /proc and /dev. Of these the programs need to read nothing from /dev/null, for
        // want of /proc (Sources/CWithoutProc).
        let image = folder.appendingPathComponent("image")
        try FileManager.default.createDirectory(
            at: image.appendingPathComponent("dev"), withIntermediateDirectories: true)
        try Data().write(to: image.appendingPathComponent("dev/null"))
        return image
    }

    private static func run(
        _ image: URL, _ program: String, _ arguments: [String], _ environment: [String: String]
    ) async throws -> FinishedProgram {
        let asRoot = ["/usr/sbin/chroot", "--userspec=65532:65532", "--groups=", image.path]
        let asUser = ["/usr/bin/unshare", "--user", "--map-root-user", "/usr/sbin/chroot", image.path]
        let enter = geteuid() == 0 ? asRoot : asUser
        return try await RunningProgram.start(
            enter[0], Array(enter.dropFirst()) + ["/bin/\(program)"] + arguments, environment: environment
        ).finish(withinSeconds: 60)
    }
}
