//! What the two sides say, and its layout.

use alloc::vec::Vec;

use super::{
    ReconcileError, ReconcileSalt, ShortId,
    estimate::{SKETCH_BYTES, Sketch},
    symbol::Symbol,
};

/// Bytes of a symbol.
pub const SYMBOL_BYTES: usize = 8 + 3;

/// The most symbols in one message.
pub const MAX_SYMBOLS_SENT: usize = 1 << 15;

/// The most items asked for in one message.
pub const MAX_WANTED: usize = 1 << 15;

const VERSION: u8 = 1;
const HELLO: u8 = 1;
const OFFER: u8 = 2;
const MORE: u8 = 3;
const SYMBOLS: u8 = 4;
const WANT: u8 = 5;

/// One message of a session.
///
/// ```text
/// message = version(1) = 1 || kind(1) || body
/// hello   = kind 1: salt(16) || sketch(256)
/// offer   = kind 2: salt(16) || number of items (u32) || sum over the set(16) || symbol(11)...
/// more    = kind 3: first (u32) || count (u32)
/// symbols = kind 4: first (u32) || symbol(11)...
/// want    = kind 5: short id (u64)...
/// symbol  = short ids exclusive-ored (u64) || checks exclusive-ored(3)
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReconcileMessage {
    /// The first side begins.
    Hello {
        /// Its salt.
        salt: ReconcileSalt,
        /// By which the other guesses the difference.
        sketch: SketchBytes,
    },
    /// The other side answers.
    Offer {
        /// Its salt.
        salt: ReconcileSalt,
        /// How many items it has.
        count: u32,
        /// The sum over its set.
        check: u128,
        /// Its first symbols.
        symbols: SymbolBytes,
    },
    /// The first side needs more symbols.
    More {
        /// From this one on.
        first: u32,
        /// So many.
        count: u32,
    },
    /// More symbols.
    Symbols {
        /// The number of the first.
        first: u32,
        /// At most [`MAX_SYMBOLS_SENT`].
        symbols: SymbolBytes,
    },
    /// The first side wants these items, at most [`MAX_WANTED`].
    Want(Vec<ShortId>),
}

/// A sketch of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SketchBytes(pub(super) Sketch);

/// Symbols one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolBytes(pub(super) Vec<Symbol>);

impl SymbolBytes {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl ReconcileMessage {
    /// What the message is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Offer { .. } => "offer",
            Self::More { .. } => "more",
            Self::Symbols { .. } => "symbols",
            Self::Want(_) => "want",
        }
    }

    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::from([VERSION]);
        match self {
            Self::Hello { salt, sketch } => {
                out.push(HELLO);
                out.extend_from_slice(&salt.0);
                out.extend_from_slice(sketch.0.bytes());
            }
            Self::Offer { salt, count, check, symbols } => {
                out.push(OFFER);
                out.extend_from_slice(&salt.0);
                out.extend_from_slice(&count.to_be_bytes());
                out.extend_from_slice(&check.to_be_bytes());
                put_symbols(&mut out, symbols);
            }
            Self::More { first, count } => {
                out.push(MORE);
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&count.to_be_bytes());
            }
            Self::Symbols { first, symbols } => {
                out.push(SYMBOLS);
                out.extend_from_slice(&first.to_be_bytes());
                put_symbols(&mut out, symbols);
            }
            Self::Want(ids) => {
                out.push(WANT);
                out.extend(ids.iter().flat_map(|id| id.0.to_be_bytes()));
            }
        }
        out
    }

    /// Reads a message, all of the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReconcileError> {
        let mut rest = bytes;
        let [version, kind] = take(&mut rest, "it ends in its header")?;
        if version != VERSION {
            return Err(ReconcileError::Malformed("its version is not 1"));
        }
        let message = match kind {
            HELLO => {
                let salt = ReconcileSalt(take(&mut rest, "it ends in the salt")?);
                let sketch = take::<SKETCH_BYTES>(&mut rest, "it ends in the sketch")?;
                Self::Hello { salt, sketch: SketchBytes(Sketch::from_bytes(sketch)) }
            }
            OFFER => {
                let salt = ReconcileSalt(take(&mut rest, "it ends in the salt")?);
                let count = u32::from_be_bytes(take(&mut rest, "it ends in the number of items")?);
                let check = u128::from_be_bytes(take(&mut rest, "it ends in the sum")?);
                Self::Offer { salt, count, check, symbols: take_symbols(&mut rest)? }
            }
            MORE => {
                let [first, count] = [(); 2].map(|()| take(&mut rest, "it ends in a number"));
                Self::More { first: u32::from_be_bytes(first?), count: u32::from_be_bytes(count?) }
            }
            SYMBOLS => {
                let first = u32::from_be_bytes(take(&mut rest, "it ends in a number")?);
                Self::Symbols { first, symbols: take_symbols(&mut rest)? }
            }
            WANT => {
                let ids = take_all::<8>(&mut rest, MAX_WANTED)?;
                Self::Want(ids.iter().map(|id| ShortId(u64::from_be_bytes(*id))).collect())
            }
            _ => return Err(ReconcileError::Malformed("its kind is none of 1 to 5")),
        };
        if rest.is_empty() { Ok(message) } else { Err(ReconcileError::Malformed("something follows it")) }
    }
}

fn put_symbols(out: &mut Vec<u8>, symbols: &SymbolBytes) {
    for Symbol { ids, checks } in &symbols.0 {
        out.extend_from_slice(&ids.to_be_bytes());
        out.extend_from_slice(&checks.to_be_bytes()[1..]);
    }
}

fn take_symbols(rest: &mut &[u8]) -> Result<SymbolBytes, ReconcileError> {
    let symbols = take_all::<SYMBOL_BYTES>(rest, MAX_SYMBOLS_SENT)?;
    let read = |bytes: &[u8; SYMBOL_BYTES]| {
        let ([ids], &[high, middle, low]) = bytes.as_chunks() else { return None };
        Some(Symbol { ids: u64::from_be_bytes(*ids), checks: u32::from_be_bytes([0, high, middle, low]) })
    };
    Ok(SymbolBytes(symbols.iter().filter_map(read).collect()))
}

fn take<const N: usize>(rest: &mut &[u8], what: &'static str) -> Result<[u8; N], ReconcileError> {
    let (bytes, behind) = rest.split_first_chunk().ok_or(ReconcileError::Malformed(what))?;
    *rest = behind;
    Ok(*bytes)
}

/// The rest, in equal parts.
fn take_all<'a, const N: usize>(rest: &mut &'a [u8], most: usize) -> Result<&'a [[u8; N]], ReconcileError> {
    let (parts, behind) = rest.as_chunks();
    if parts.len() > most {
        return Err(ReconcileError::Malformed("it is too long"));
    }
    *rest = behind;
    Ok(parts)
}
