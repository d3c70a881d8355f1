//! Teams: the parts of a federation that propose, approve and witness.

use alloc::vec::Vec;

use serde::Serialize;

use crate::{
    DecodeError, KeyBytes, TeamId,
    wire::{Reader, Write},
};

/// A team as it is stored. Its keys are in the table of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Team {
    pub(crate) id: TeamId,
    pub(crate) threshold: u8,
    pub(crate) active: bool,
}

impl Team {
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.short(self.id.as_str());
        out.u8(self.threshold);
        out.bool(self.active);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.team()?,
            threshold: reader.u8("threshold")?,
            active: reader.bool("state of the team")?,
        })
    }
}

/// A team, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TeamView {
    /// Its id.
    pub id: TeamId,
    /// How many of its keys must sign.
    pub threshold: u8,
    /// The keys in use.
    pub keys: Vec<KeyBytes>,
    /// Whether it takes part.
    pub active: bool,
}
