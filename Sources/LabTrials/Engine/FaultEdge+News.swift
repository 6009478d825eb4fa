import LabChaos
import LabHistory

extension FaultEdge {
    /// What the history records of a fault's news.
    init(_ news: FaultNews) {
        let edge: Edge =
            switch news.edge {
            case .asked: .asked
            case .armed: .armed
            case .refused: .refused
            case .active: .active
            case .didNotBite: .didNotBite
            case .healed: .healed
            case .expired: .expired
            case .stuck: .stuck
            }
        self.init(
            uid: news.uid, kind: news.kind, target: news.target, edge: edge, detail: news.detail, planID: news.planID,
            errorNanoseconds: news.time?.errorNanoseconds)
    }
}
