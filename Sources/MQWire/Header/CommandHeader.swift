/// The typed view of a command's ``ExtFields``: one struct for each request and answer that has fields.
///
/// Decoding ignores fields it does not know (clients add signatures, newer ones add hints); encoding writes only
/// fields that have a value.
public protocol CommandHeader: Sendable {
    /// Reads the fields; throws on a missing or malformed one.
    init(fields: ExtFields) throws(HeaderError)
    /// The fields as they go on the wire.
    var fields: ExtFields { get }
}
