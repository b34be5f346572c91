//! The ways in which the demo's proposer cheats.

use clap::ValueEnum;

use crate::devnet::Lie;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// One output token is another
    WrongToken,
    /// One state root is wrong: money from nowhere
    WrongLedger,
    /// An output is cut short
    EarlyStop,
    /// A wrong token, defended with a trace of noise
    GarbageTrace,
    /// A wrong token, and no word in the dispute
    Silence,
}

impl Kind {
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::WrongToken => "one token of the answer that it posts is another",
            Self::WrongLedger => "one state root that it posts is wrong",
            Self::EarlyStop => "it posts an answer that is cut short",
            Self::GarbageTrace => "it posts a wrong token and defends it with a trace of noise",
            Self::Silence => "it posts a wrong token and says nothing when it is asked",
        }
    }

    /// What sequencer and defender are told to do.
    pub(super) fn lie(self) -> Lie {
        match self {
            Self::WrongToken => Lie { sequencer: "token", defender: Some("stubborn") },
            Self::WrongLedger => Lie { sequencer: "ledger", defender: None },
            Self::EarlyStop => Lie { sequencer: "early-stop", defender: None },
            Self::GarbageTrace => Lie { sequencer: "garbage-trace", defender: Some("garbage-trace") },
            Self::Silence => Lie { sequencer: "silence", defender: Some("silence") },
        }
    }

    /// Does what is posted contradict a receipt: a wrong root does not, because receipts promise outputs.
    pub(super) fn breaks_receipt(self) -> bool {
        self != Self::WrongLedger
    }
}
