//! A council member without I/O: every state machine of the project composed into one.
//!
//! [`Core::step`] takes an event and the time; [`Core::take_effects`] gives what the runtime must
//! do. Nothing in here opens a socket or a file, reads a clock or draws entropy, so whole councils
//! run in a test. What the core must look up in the log it asks through [`Ledger`].

mod accusation;
mod bulletin_sender;
mod bulletins;
mod checking;
mod commitments;
mod cosigning;
mod council_change;
mod council_history;
mod electorate;
mod event;
mod frame;
mod gates;
mod genesis;
mod halt;
mod layout;
mod ledger;
mod limits;
mod mail;
mod member;
mod neighbours;
mod newcomer;
mod pool;
mod record;
mod recovery;
mod refusal;

pub use accusation::judge_evidence;
pub use bulletin_sender::{BULLETIN_SENDER, BulletinSender, SenderRefusal, sender_body, trust_of_node};
pub use bulletins::{BulletinEffects, BulletinExchange, BulletinMessage, ExchangeCounts, PersistedPosting};
pub use checking::{CheckedEntry, EntryRefusal, check_entries};
pub use cosigning::MemberSignatures;
pub use council_change::{ChangeRefusal, CouncilChange, MembershipChange};
pub use council_history::{
    CouncilHistory, EpochOfError, EpochStep, HistoryError, MAX_HISTORY_BYTES, Seat, StepError, state_digest,
};
pub use event::{Effects, Event, RegistryStep, Sealed};
pub use frame::{EntryBytes, Frame};
pub use gates::{
    GateChange, GateCounts, GateExchange, GateNote, GateRow, GateState, GateView, ITEM_LIFE, ItemRefusal,
    MAX_GATES, MAX_ITEM_BYTES_OF_ONE, MAX_ITEMS_OF_ONE, MAX_UNREAD, MAX_UNREAD_BYTES, NotDone, Outcome,
    STORAGE_KEY_LIFE, Said, StorageKey, Stretch,
};
pub use genesis::{Genesis, GenesisError, Member, MemberName, MemberNameError, WorkError, WorkJson};
pub use halt::Halt;
pub use layout::LayoutError;
pub use ledger::{Appended, Ledger, LedgerError};
pub use limits::Limits;
pub use mail::{
    Arrival, INBOX_LIFE, MAX_INBOX_OF_ONE, MAX_UNREAD_MESSAGES, MailChange, MailCounts, MailExchange,
    MailRow, NotReceived, NotSent, PREKEY_LIFE, SentLetter, WaitingLetter, Writer,
};
pub use member::{Core, Counters, Keys, Standing, View, judge_attestor};
pub use neighbours::{MAX_FORMER_MEMBERS, former_members};
pub use newcomer::{AddressError, HttpUrl, Newcomer, NewcomerError, PeerAddress};
pub use record::Record;
pub use recovery::{Position, RecoverError, State, StateError, StateToStore};
pub use refusal::OrderRefusal;
