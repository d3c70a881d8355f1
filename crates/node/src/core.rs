//! A council member without I/O: every state machine of the project composed into one.
//!
//! [`Core::step`] takes an event and the time; [`Core::take_effects`] gives what the runtime must
//! do. Nothing in here opens a socket or a file, reads a clock or draws entropy, so whole councils
//! run in a test. What the core must look up in the log it asks through [`Ledger`].

mod checking;
mod cosigning;
mod event;
mod frame;
mod genesis;
mod halt;
mod ledger;
mod limits;
mod member;
mod pool;
mod record;
mod recovery;

pub use checking::{CheckedEntry, EntryRefusal, check_entries};
pub use cosigning::MemberSignatures;
pub use event::{Effects, Event, Sealed};
pub use frame::{EntryBytes, Frame};
pub use genesis::{Genesis, GenesisError, Member, MemberName, MemberNameError};
pub use halt::Halt;
pub use ledger::{Appended, Ledger, LedgerError};
pub use limits::Limits;
pub use member::{Core, Counters, Keys, View};
pub use record::Record;
pub use recovery::{RecoverError, State};
