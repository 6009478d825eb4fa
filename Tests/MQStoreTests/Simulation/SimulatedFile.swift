import SystemPackage

@testable import MQStore

/// A file of a ``SimulatedDisk``.
final class SimulatedFile: StorageFile {
    let path: FilePath
    private let disk: SimulatedDisk
    private let inode: Int

    init(disk: SimulatedDisk, path: FilePath, inode: Int) {
        self.disk = disk
        self.path = path
        self.inode = inode
    }

    private func with<Result>(
        _ name: String, _ body: (inout SimulatedDisk.Inode, inout SimulatedDisk.State) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try disk.operation(name, path) { state throws(StoreError) in
            var own = state.inodes.removeValue(forKey: inode) ?? SimulatedDisk.Inode()
            defer { state.inodes[inode] = own }
            return try body(&own, &state)
        }
    }

    func size() throws(StoreError) -> Int64 {
        try with("fstat") { inode, _ in Int64(inode.cached.count) }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreError) {
        let bytesBefore = UnsafeRawBufferPointer(bytes)
        do throws(StoreError) {
            try with("pwrite") { inode, state throws(StoreError) in
                var count = bytesBefore.count
                var failure: StoreError?
                if let refusal = state.writeRefusal { throw StoreError.system("pwrite", path, refusal) }
                if inode.isUnreadable(Int(offset), bytesBefore.count, partly: true) {
                    throw StoreError.system("pwrite", path, .ioError)
                }
                if state.random.below(100) < state.writeErrorPercent {
                    count = state.random.below(count + 1)
                    failure = state.fail(.writeError, "pwrite", path, .ioError)
                }
                if let limit = state.blockLimit {
                    let taken = state.usedBlocks + state.owedBlocks + inode.blocks.count
                    let fits = Self.bytesThatFit(count, at: Int(offset), inode, free: limit - taken)
                    if fits < count {
                        count = fits
                        failure = state.fail(.noSpace, "pwrite", path, .noSpace)
                    }
                }
                inode.write(UnsafeRawBufferPointer(rebasing: bytesBefore[..<count]), at: Int(offset))
                if let failure { throw failure }
            }
        } catch {
            // The machine stops in the middle of the write that it stops at.
            disk.change { state in
                guard state.isOff, state.operationsLeft == -1, var own = state.inodes[inode] else { return }
                state.operationsLeft = -2
                let count = state.random.below(bytesBefore.count + 1)
                if count > 0, count < bytesBefore.count { state.met.insert(SimulationEvent.cutWrite.rawValue) }
                own.write(UnsafeRawBufferPointer(rebasing: bytesBefore[..<count]), at: Int(offset))
                state.inodes[inode] = own
            }
            throw error
        }
    }

    /// How much of a write has blocks when so many are free. The file's own do not count among the used ones here.
    private static func bytesThatFit(_ count: Int, at offset: Int, _ inode: SimulatedDisk.Inode, free: Int) -> Int {
        guard count > 0 else { return 0 }
        var free = free
        for block in (offset / SimulatedDisk.blockBytes)...((offset + count - 1) / SimulatedDisk.blockBytes)
        where !inode.blocks.contains(block) {
            if free <= 0 { return max(0, block * SimulatedDisk.blockBytes - offset) }
            free -= 1
        }
        return count
    }

    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreError) -> Int {
        try with("pread") { inode, state throws(StoreError) in
            if inode.readsSpared > 0 {
                inode.readsSpared -= 1
            } else if state.readErrorPercent > 0, state.random.percent(state.readErrorPercent) {
                inode.readsSpared = Self.readsSpared
                throw state.fail(.readError, "pread", path, .ioError)
            }
            let start = min(Int(offset), inode.cached.count)
            let count = min(target.count, inode.cached.count - start)
            if inode.isUnreadable(start, count, partly: false) { throw StoreError.system("pread", path, .ioError) }
            state.largestRead = max(state.largestRead, count)
            inode.cached.withUnsafeBytes { bytes in
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
            }
            return count
        }
    }

    /// So many reads of a file go well after one that failed by chance, also beside other readers.
    private static let readsSpared = 32

    func resize(to size: Int64) throws(StoreError) {
        try with("ftruncate") { inode, state throws(StoreError) in
            let rest = Int(size) % SimulatedDisk.sectorBytes
            if Int(size) < inode.cached.count, rest > 0, inode.isUnreadable(Int(size) - 1, 1, partly: false) {
                throw StoreError.system("ftruncate", path, .ioError)
            }
            let before = inode.blocks.count
            inode.setLength(Int(size))
            if state.givesBackLate { state.owedBlocks += before - inode.blocks.count }
        }
    }

    func allocate(to size: Int64) throws(StoreError) {
        try with("fallocate") { _, _ in }
    }

    func sync() throws(StoreError) {
        try with("fdatasync") { inode, state throws(StoreError) in
            if state.sabotage?(path.string) == true { return }
            state.owedBlocks = 0
            guard state.isSyncFailing() else { return inode.sync() }
            var random = state.random
            inode.sync { _ in random.percent(50) }
            state.random = random
            throw state.fail(.failedSync, "fdatasync", path, .ioError)
        }
    }

    func nextData(from offset: Int64) throws(StoreError) -> Int64? {
        try with("lseek") { inode, _ in
            var block = Int(offset) / SimulatedDisk.blockBytes
            while block * SimulatedDisk.blockBytes < inode.cached.count {
                if inode.blocks.contains(block) { return max(offset, Int64(block * SimulatedDisk.blockBytes)) }
                block += 1
            }
            return nil
        }
    }
}
