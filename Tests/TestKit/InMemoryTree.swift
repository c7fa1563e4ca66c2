import Synchronization
public import Transfers

/// The files of a partner's server in memory, with the meaning that POSIX gives to them: a file has an identity apart
/// from its names, a rename keeps it, and who has a file open goes on with what he opened, whatever happens to its
/// name. Times are whole seconds. `InMemoryRemoteFiles` is a connection to it.
///
/// The public operations are the partner's: they take effect at once and pass no tap.
public final class InMemoryTree: Sendable {
    /// What identifies a file, whatever its name.
    public typealias Identity = Int

    enum Content {
        case file([UInt8])
        case directory([[UInt8]: Identity])
        case symbolicLink(RemotePath)
        case special
    }

    struct Node {
        var content: Content
        var modified: UnixTime
        var hidesKind = false

        var kind: RemoteAttributes.Kind {
            switch content {
            case .file: .file
            case .directory: .directory
            case .symbolicLink: .symbolicLink
            case .special: .special
            }
        }

        var attributes: RemoteAttributes {
            var sizeBytes: UInt64 = 4096
            if case .file(let bytes) = content { sizeBytes = UInt64(bytes.count) }
            return RemoteAttributes(
                kind: hidesKind ? .unknown : kind, version: FileVersion(sizeBytes: sizeBytes, modified: modified))
        }
    }

    struct State {
        var nodes: [Identity: Node] = [:]
        var nextIdentity = 1
        var extraNames: [RemotePath: [[UInt8]]] = [:]
        /// Files of which not every write and the end has been answered with success.
        var unfinished: Set<Identity> = []
        var renamedUnfinished: [RemotePath] = []
    }

    let state: Mutex<State>
    let clock: any Clock
    static let root: Identity = 0
    static let maximumLinks = 8

    /// Makes a server with nothing but its root, which is the login directory too.
    /// - Parameter clock: gives the modification time of what is made without one.
    public init(clock: any Clock = ManualClock()) {
        self.clock = clock
        var state = State()
        state.nodes[Self.root] = Node(content: .directory([:]), modified: clock.now)
        self.state = Mutex(state)
    }

    /// Where files were put of which a write, or their end, has failed: no push may do so, whatever bytes they hold.
    public var renamedUnfinished: [RemotePath] { state.withLock { $0.renamedUnfinished } }

    // MARK: What the partner does

    /// Puts a whole new file in place at once, as a careful partner does by renaming: who has the old one open keeps
    /// it. Makes the directories on the way.
    @discardableResult
    public func put(_ path: RemotePath, _ bytes: [UInt8], modified: UnixTime? = nil) -> Identity {
        add(path, .file(bytes), modified)
    }

    /// Writes a whole content into the file that is there, keeping its identity; makes it when there is none.
    public func overwrite(_ path: RemotePath, _ bytes: [UInt8], modified: UnixTime? = nil) {
        guard let identity = identity(of: path) else { return _ = put(path, bytes, modified: modified) }
        write(identity, modified) { $0 = bytes }
    }

    /// Adds to the file that is there, keeping its identity; makes it when there is none.
    public func append(_ path: RemotePath, _ bytes: [UInt8], modified: UnixTime? = nil) {
        guard let identity = identity(of: path) else { return _ = put(path, bytes, modified: modified) }
        write(identity, modified) { $0 += bytes }
    }

    /// Adds to a file that the partner has open, whatever its name is now.
    public func append(to identity: Identity, _ bytes: [UInt8], modified: UnixTime? = nil) {
        write(identity, modified) { $0 += bytes }
    }

    /// The identity of what is at the path, links not followed.
    public func identity(of path: RemotePath) -> Identity? {
        state.withLock { $0.find(path, followingLast: false) }
    }

    /// Makes a directory and those above it.
    public func makeDirectory(_ path: RemotePath) {
        if identity(of: path) == nil { _ = add(path, .directory([:]), nil) }
    }

    /// Makes a symbolic link.
    public func makeLink(_ path: RemotePath, to target: RemotePath) { _ = add(path, .symbolicLink(target), nil) }

    /// Makes a device, pipe or socket.
    public func makeSpecial(_ path: RemotePath) { _ = add(path, .special, nil) }

    /// From now on the server does not say what kind of thing this is.
    public func hideKind(of path: RemotePath) {
        state.withLock { state in
            if let identity = state.find(path, followingLast: false) { state.nodes[identity]?.hidesKind = true }
        }
    }

    /// From now on listings of the directory hold these names too, which belong to nothing.
    public func addListedNames(_ names: [[UInt8]], in directory: RemotePath) {
        state.withLock { $0.extraNames[directory, default: []] += names }
    }

    /// Removes whatever is at the path, with all below it.
    public func remove(_ path: RemotePath) {
        state.withLock { state in
            guard let (parent, name) = state.findParent(path) else { return }
            state.setEntry(name, of: parent, to: nil)
        }
    }

    /// Renames, replacing what is at the target.
    public func move(_ path: RemotePath, to target: RemotePath) {
        state.withLock { state in
            guard let (parent, name) = state.findParent(path), let identity = state.entry(name, of: parent),
                let (newParent, newName) = state.findParent(target)
            else { return }
            state.setEntry(name, of: parent, to: nil)
            state.setEntry(newName, of: newParent, to: identity)
        }
    }

    /// Sets the modification time of what is at the path.
    public func setModified(_ path: RemotePath, _ time: UnixTime) {
        state.withLock { state in
            if let identity = state.find(path, followingLast: false) { state.nodes[identity]?.modified = time }
        }
    }

    // MARK: What the partner sees

    /// The content of the file at the path; nil when there is no file.
    public func read(_ path: RemotePath) -> [UInt8]? {
        state.withLock { state in
            guard let identity = state.find(path, followingLast: true),
                case .file(let bytes) = state.nodes[identity]?.content
            else { return nil }
            return bytes
        }
    }

    /// The modification time of what is at the path.
    public func modified(_ path: RemotePath) -> UnixTime? {
        state.withLock { state in state.find(path, followingLast: false).flatMap { state.nodes[$0]?.modified } }
    }

    /// Whether anything is at the path.
    public func exists(_ path: RemotePath) -> Bool { identity(of: path) != nil }

    /// Every file below the path with its content.
    public func files(below directory: RemotePath = RemotePath("/")) -> [RemotePath: [UInt8]] {
        state.withLock { state in
            var result: [RemotePath: [UInt8]] = [:]
            var waiting: [(RemotePath, Identity)] = []
            if let identity = state.find(directory, followingLast: true) { waiting.append((directory, identity)) }
            while let (path, identity) = waiting.popLast() {
                switch state.nodes[identity]?.content {
                case .file(let bytes): result[path] = bytes
                case .directory(let entries):
                    let start = path.bytes == [UInt8(ascii: "/")] ? [] : path.bytes
                    for (name, child) in entries {
                        waiting.append((RemotePath(bytes: start + [UInt8(ascii: "/")] + name), child))
                    }
                default: break
                }
            }
            return result
        }
    }

    private func add(_ path: RemotePath, _ content: Content, _ modified: UnixTime?) -> Identity {
        let time = modified ?? clock.now
        return state.withLock { state in
            var parent = Self.root
            let names = path.names
            for name in names.dropLast() {
                let isThere = state.entry(name, of: parent).flatMap { state.directoryBehind($0) }
                let next = isThere ?? state.make(Node(content: .directory([:]), modified: time))
                if isThere == nil { state.setEntry(name, of: parent, to: next) }
                parent = next
            }
            let identity = state.make(Node(content: content, modified: time))
            if let name = names.last { state.setEntry(name, of: parent, to: identity) }
            return identity
        }
    }

    private func write(_ identity: Identity, _ modified: UnixTime?, _ change: (inout [UInt8]) -> Void) {
        let time = modified ?? clock.now
        state.withLock { state in
            guard case .file(var bytes) = state.nodes[identity]?.content else { return }
            change(&bytes)
            state.nodes[identity]?.content = .file(bytes)
            state.nodes[identity]?.modified = time
        }
    }
}

extension RemotePath {
    /// The names between the slashes.
    var names: [[UInt8]] { bytes.split(separator: UInt8(ascii: "/")).map(Array.init) }
}

extension RemotePath: ExpressibleByStringLiteral {
    /// A path from a literal of a test.
    public init(stringLiteral text: String) { self.init(text) }
}

extension InMemoryTree.State {
    mutating func make(_ node: InMemoryTree.Node) -> InMemoryTree.Identity {
        defer { nextIdentity += 1 }
        nodes[nextIdentity] = node
        return nextIdentity
    }

    func entry(_ name: [UInt8], of directory: InMemoryTree.Identity) -> InMemoryTree.Identity? {
        guard case .directory(let entries) = nodes[directory]?.content else { return nil }
        return entries[name]
    }

    mutating func setEntry(
        _ name: [UInt8], of directory: InMemoryTree.Identity, to identity: InMemoryTree.Identity?
    ) {
        guard case .directory(var entries) = nodes[directory]?.content else { return }
        // The dictionary is taken out first, so that it is changed in place and not copied.
        nodes[directory]?.content = .special
        entries[name] = identity
        nodes[directory]?.content = .directory(entries)
    }

    /// The identity that the path leads to. Links on the way are followed as a server does.
    func find(_ path: RemotePath, followingLast: Bool) -> InMemoryTree.Identity? {
        var links = 0
        return find(path.names, from: [InMemoryTree.root], followingLast: followingLast, links: &links)?.last
    }

    /// The directory that holds the last name of the path, and that name.
    func findParent(_ path: RemotePath) -> (InMemoryTree.Identity, [UInt8])? {
        let names = path.names
        var links = 0
        guard let name = names.last,
            let parent = find(
                Array(names.dropLast()), from: [InMemoryTree.root], followingLast: true, links: &links)?.last,
            case .directory = nodes[parent]?.content
        else { return nil }
        return (parent, name)
    }

    func directoryBehind(_ identity: InMemoryTree.Identity) -> InMemoryTree.Identity? {
        switch nodes[identity]?.content {
        case .directory: identity
        case .symbolicLink(let target): find(target, followingLast: true)
        default: nil
        }
    }

    private func find(
        _ names: [[UInt8]], from start: [InMemoryTree.Identity], followingLast: Bool, links: inout Int
    ) -> [InMemoryTree.Identity]? {
        var way = start
        for (position, name) in names.enumerated() {
            if name == [UInt8(ascii: ".")] { continue }
            if name == Array("..".utf8) {
                if way.count > 1 { way.removeLast() }
                continue
            }
            guard let here = way.last, let next = entry(name, of: here) else { return nil }
            let isLast = position == names.count - 1
            if case .symbolicLink(let target) = nodes[next]?.content, !isLast || followingLast {
                links += 1
                guard links <= InMemoryTree.maximumLinks else { return nil }
                let isAbsolute = target.bytes.first == UInt8(ascii: "/")
                let begin = isAbsolute ? [InMemoryTree.root] : way
                guard let found = find(target.names, from: begin, followingLast: true, links: &links) else {
                    return nil
                }
                way = found
            } else {
                way.append(next)
            }
        }
        return way
    }
}
