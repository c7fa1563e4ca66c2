extension RequestEngine {
    /// Appends requests as long as `output` is shorter than the limit and the windows allow it.
    mutating func fill(_ output: inout [UInt8], limitBytes: Int, now: ContinuousClock.Instant) {
        if !hasSentInitialize {
            if case .ended = phase { return }
            SFTPRequest.appendInitialize(to: &output)
            hasSentInitialize = true
            lastProgress = now
        }
        let mayTransfer: Bool
        switch phase {
        case .starting: mayTransfer = false
        case .open: mayTransfer = true
        case .ended: return
        }
        // Every turn appends a request or leaves the loop.
        while output.count < limitBytes && table.count < constants.outstandingRequests {
            let wasIdle = table.count == 0
            // Control requests are short and others wait for their answers; then reads, whose requests are short.
            guard
                sendOne(.control, &output)
                    || mayTransfer && (sendOne(.read, &output) || sendOne(.write, &output))
            else { return }
            if wasIdle { lastProgress = now }
        }
    }

    /// Puts a flight in the queue of its next request.
    mutating func enqueue(_ id: FlightID, _ lane: Lane, first: Bool = false) {
        flights[id]?.isQueued = true
        switch (lane, first) {
        case (.control, false): controlQueue.append(id)
        case (.control, true): controlQueue.prepend(id)
        case (.read, false): readQueue.append(id)
        case (.read, true): readQueue.prepend(id)
        case (.write, false): writeQueue.append(id)
        case (.write, true): writeQueue.prepend(id)
        }
    }

    /// Sends the next request of the lane; false when there is none, or no room in its window.
    private mutating func sendOne(_ lane: Lane, _ output: inout [UInt8]) -> Bool {
        // Every turn sends, or takes a flight out of the queue.
        while let id = first(of: lane) {
            guard let next = flights[id]?.nextLane else {
                popFirst(of: lane)
                continue
            }
            if next != lane {
                // The rest of a flight that has begun goes at once where nothing holds it back.
                popFirst(of: lane)
                enqueue(id, next, first: next == .control)
                if next == .control { return sendOne(.control, &output) }
                continue
            }
            let count = flights[id]?.nextCountBytes(readBytes: readBytes, writeBytes: writeBytes) ?? 0
            guard lane == .control || (lane == .read ? readWindow : writeWindow).admits(count) else { return false }
            return send(id, &output)
        }
        return false
    }

    private mutating func send(_ id: FlightID, _ output: inout [UInt8]) -> Bool {
        guard let (outgoing, record) = flights[id]?.takeNext(id, readBytes: readBytes, writeBytes: writeBytes) else {
            return false
        }
        flights[id]?.outstanding += 1
        if record.lane == .read { readWindow.take(record.countBytes) }
        if record.lane == .write { writeWindow.take(record.countBytes) }
        let requestID = table.insert(record)
        switch outgoing {
        case .request(let request): request.append(to: &output, id: requestID)
        case .write(let handle, let offset, let data):
            SFTPRequest.appendWrite(to: &output, id: requestID, handle: handle, offset: offset, pieces: data)
        }
        return true
    }

    private func first(of lane: Lane) -> FlightID? {
        switch lane {
        case .control: controlQueue.first
        case .read: readQueue.first
        case .write: writeQueue.first
        }
    }

    private mutating func popFirst(of lane: Lane) {
        let id =
            switch lane {
            case .control: controlQueue.popFirst()
            case .read: readQueue.popFirst()
            case .write: writeQueue.popFirst()
            }
        if let id { flights[id]?.isQueued = false }
    }
}
