import Testing

/// All tests of real sessions run one after the other: each starts daemons, and the machine is small.
@Suite(.serialized, .timeLimit(.minutes(2)))
enum SSHTests {}
