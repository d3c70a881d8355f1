//! What the exchange stores, as rows of the store.

use jurat_bulletin::BulletinKey;
use jurat_crypto::Digest;
use jurat_gates::GateId;
use jurat_store::{BulletinChanges, MailName, PostingName};

use crate::core::{BulletinEffects, GateRow, MailRow};

/// All that is to be stored and removed.
pub(super) fn changes(effects: &BulletinEffects) -> BulletinChanges<'_> {
    let mail = effects.mail.iter().map(|(row, value)| (mail_name_of(row), value.as_deref()));
    let gates = effects.gates.iter().map(|(row, value)| (gate_name_of(row), value.as_deref()));
    BulletinChanges {
        stored: effects.persist.iter().map(|posting| (name_of(&posting.key), &*posting.bytes)).collect(),
        removed: effects.forget.iter().map(name_of).collect(),
        mail: mail.chain(gates).collect(),
    }
}

fn mail_name_of(row: &MailRow) -> MailName {
    let (kind, bytes) = match row {
        MailRow::Letter(id) => (1, id.as_bytes()),
        MailRow::Filed(id) => (2, id.as_bytes()),
        MailRow::Prekey(owner) => (3, owner),
        MailRow::Message(id) => (9, id.as_bytes()),
        MailRow::Received(id) => (10, id.as_bytes()),
    };
    let mut name = [kind; 33];
    name[1..].copy_from_slice(bytes);
    name
}

fn gate_name_of(row: &GateRow) -> MailName {
    let (kind, bytes) = match row {
        GateRow::Item(id) => (4, id.as_bytes()),
        GateRow::Gate(id) => (5, id.0.as_bytes()),
        GateRow::Note(id) => (6, id.as_bytes()),
        GateRow::OwnPackages => (7, &[0; 32]),
        GateRow::MemberPackages(owner) => (8, owner),
    };
    let mut name = [kind; 33];
    name[1..].copy_from_slice(bytes);
    name
}

/// What a row of the store is of.
pub(super) enum Row {
    Mail(MailRow),
    Gate(GateRow),
}

/// What a name in the store is of; nothing that is known here, if a later version made it.
pub(super) fn row_of(name: &MailName) -> Option<Row> {
    let (kind, bytes) = (name[0], name.last_chunk::<32>()?);
    let digest = Digest::from_bytes(*bytes);
    Some(match kind {
        1 => Row::Mail(MailRow::Letter(digest)),
        2 => Row::Mail(MailRow::Filed(digest)),
        3 => Row::Mail(MailRow::Prekey(*bytes)),
        4 => Row::Gate(GateRow::Item(digest)),
        5 => Row::Gate(GateRow::Gate(GateId(digest))),
        6 => Row::Gate(GateRow::Note(digest)),
        7 => Row::Gate(GateRow::OwnPackages),
        8 => Row::Gate(GateRow::MemberPackages(*bytes)),
        9 => Row::Mail(MailRow::Message(digest)),
        10 => Row::Mail(MailRow::Received(digest)),
        _ => return None,
    })
}

/// The name of a posting.
pub(super) fn name_of(key: &BulletinKey) -> PostingName {
    let mut name = [0; 68];
    name[..32].copy_from_slice(key.topic.0.as_bytes());
    name[32..36].copy_from_slice(&key.time.0.to_be_bytes());
    name[36..].copy_from_slice(key.content.0.as_bytes());
    name
}
