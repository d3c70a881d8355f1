//! The two sides of a session.

use alloc::{collections::BTreeSet, vec, vec::Vec};

use jurat_crypto::Digest;

use super::{
    MAX_RECONCILED, MAX_SYMBOLS_SENT, MAX_WANTED, ReconcileError, ReconcileMessage, ReconcileSalt, ShortId,
    estimate::{Sketch, items_in},
    items::{Items, SessionKey, sketch},
    message::{SketchBytes, SymbolBytes},
    peel::{FoundTwice, Peeler},
    symbol::{Coder, MAX_SYMBOLS, Symbol},
};

/// Symbols in an offer, at least.
const FEWEST: u32 = 8;

/// The side that begins, and learns the difference.
#[derive(Clone, Debug)]
pub struct Initiator {
    given: Vec<Digest>,
    salt: ReconcileSalt,
    state: Option<Decoding>,
}

/// From the offer on.
#[derive(Clone, Debug)]
struct Decoding {
    key: SessionKey,
    items: Items,
    coder: Coder,
    peeler: Peeler,
    /// As the other side says.
    their_check: u128,
    their_count: u32,
    /// How many symbols were asked for.
    awaited: u32,
}

/// What one side has and the other has not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Difference {
    /// Items that the other side has alone, at most [`MAX_WANTED`] in one
    /// [`Want`](ReconcileMessage::Want).
    pub missing: Vec<ShortId>,
    /// Items that this side has alone.
    pub surplus: Vec<Digest>,
}

/// How far a session is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// To be sent to the other side.
    Ask(ReconcileMessage),
    /// The difference is known. Nothing follows but fetching it.
    Known(Difference),
}

/// The side that answers.
#[derive(Clone, Debug)]
pub struct Responder {
    given: Vec<Digest>,
    salt: ReconcileSalt,
    state: Option<Coding>,
}

#[derive(Clone, Debug)]
struct Coding {
    key: SessionKey,
    items: Items,
    coder: Coder,
    sent: u32,
}

/// What an answering side does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// To be sent to the other side.
    Reply(ReconcileMessage),
    /// The other side wants these of its items.
    Wanted(Vec<Digest>),
}

impl Initiator {
    /// Begins a session about at most [`MAX_RECONCILED`] items, with fresh random bytes.
    pub fn new(
        items: impl Into<Vec<Digest>>,
        salt: ReconcileSalt,
    ) -> Result<(Self, ReconcileMessage), ReconcileError> {
        let given = items.into();
        let sketch = sketch(&given, SessionKey::of_sketch(salt))?;
        let hello = ReconcileMessage::Hello { salt, sketch: SketchBytes(sketch) };
        Ok((Self { given, salt, state: None }, hello))
    }

    /// Takes what the other side sent. After an error the session is of no use.
    pub fn receive(&mut self, message: ReconcileMessage) -> Result<Progress, ReconcileError> {
        match (message, &mut self.state) {
            (ReconcileMessage::Offer { salt, count, check, symbols }, None) => {
                if usize::try_from(count).is_ok_and(|count| count > MAX_RECONCILED) {
                    return Err(ReconcileError::Malformed("it is about too many items"));
                }
                let key = SessionKey::new(self.salt, salt);
                let items = Items::new(&core::mem::take(&mut self.given), key)?;
                let decoding = self.state.insert(Decoding {
                    key,
                    coder: Coder::new(items.ids(), key.word()),
                    items,
                    peeler: Peeler::new(key.word()),
                    their_check: check,
                    their_count: count,
                    awaited: 0,
                });
                decoding.take(symbols)
            }
            (ReconcileMessage::Symbols { first, symbols }, Some(decoding)) => {
                let expected = decoding.peeler.given();
                if first != expected {
                    return Err(ReconcileError::OutOfOrder { expected, got: first });
                }
                if symbols.0.len() != decoding.awaited as usize {
                    return Err(ReconcileError::Malformed("it has not as many symbols as were asked for"));
                }
                decoding.take(symbols)
            }
            (message, _) => Err(ReconcileError::Unexpected(message.name())),
        }
    }

    /// Checks, once all missing items were fetched, that with them and without the surplus the own
    /// set is the other's.
    pub fn confirm(&self, fetched: &[Digest]) -> Result<(), ReconcileError> {
        let Some(Decoding { key, items, peeler, their_check, .. }) =
            self.state.as_ref().filter(|decoding| decoding.peeler.is_done())
        else {
            return Err(ReconcileError::StillDifferent);
        };
        let mut check = items.check;
        let mut missing: BTreeSet<u64> = BTreeSet::new();
        for id in peeler.ids() {
            match items.get(ShortId(id)) {
                Some(surplus) => check = check.wrapping_sub(key.name(surplus).check),
                None => {
                    missing.insert(id);
                }
            }
        }
        for item in fetched {
            let named = key.name(item);
            if !missing.remove(&named.id.0) {
                return Err(ReconcileError::NotMissing(*item));
            }
            check = check.wrapping_add(named.check);
        }
        if check == *their_check { Ok(()) } else { Err(ReconcileError::StillDifferent) }
    }
}

impl Decoding {
    fn take(&mut self, symbols: SymbolBytes) -> Result<Progress, ReconcileError> {
        let first = self.peeler.given();
        let mut symbols = symbols.0;
        self.coder.add_to(first, &mut symbols, self.key.word());
        // Of the first ones it can be told how many items are in them: none was taken out yet.
        let guess = if first == 0 { better_guess(&symbols) } else { 0 };
        self.peeler.extend(symbols).map_err(|FoundTwice| ReconcileError::Contradiction)?;
        if self.peeler.is_done() {
            let mut difference = Difference::default();
            for id in self.peeler.ids().map(ShortId) {
                match self.items.get(id) {
                    Some(item) => difference.surplus.push(*item),
                    None => difference.missing.push(id),
                }
            }
            return Ok(Progress::Known(difference));
        }
        self.ask(guess)
    }

    fn ask(&mut self, guess: u32) -> Result<Progress, ReconcileError> {
        let first = self.peeler.given();
        // Sets without anything in common take so many.
        let items = u64::from(self.their_count) + self.items.len() as u64;
        let most = u32::try_from(2 * items + 64).unwrap_or(MAX_SYMBOLS).min(MAX_SYMBOLS);
        if first >= most {
            return Err(ReconcileError::Undecodable(first));
        }
        let needed = enough_for(guess).saturating_sub(first);
        let count = needed.max(first / 8).max(FEWEST).min(most - first);
        let count = count.min(u32::try_from(MAX_SYMBOLS_SENT).unwrap_or(u32::MAX));
        self.awaited = count;
        Ok(Progress::Ask(ReconcileMessage::More { first, count }))
    }
}

/// How many symbols an offer has for a difference that is guessed from the sketch: as a rule too few,
/// but enough to guess better.
const fn offered_for(guess: u32) -> u32 {
    let count = guess.saturating_mul(6) / 5;
    if count < FEWEST { FEWEST } else { count }
}

/// How many items are in an offer's symbols, by what they show and what the other side guessed.
fn better_guess(symbols: &[Symbol]) -> u32 {
    let (shown, zeros) = items_in(symbols);
    let offered = symbols.len() as u64;
    // Each counts by the inverse square of how much it is off: for the sketch 256 / 2, for the symbols
    // about 4 for each that is zero.
    let weight = 4 * zeros;
    let guess = (128 * (offered * 5 / 6) + weight * u64::from(shown)) / (128 + weight);
    u32::try_from(guess).unwrap_or(MAX_SYMBOLS)
}

/// How many symbols give a difference of so many items nine times in ten, the guess being off.
fn enough_for(items: u32) -> u32 {
    let items = u64::from(items);
    u32::try_from(items * 147 / 100 + 5 * items.isqrt() / 2 + 2).unwrap_or(MAX_SYMBOLS)
}

impl Responder {
    /// Answers about at most [`MAX_RECONCILED`] items, with fresh random bytes.
    pub fn new(items: impl Into<Vec<Digest>>, salt: ReconcileSalt) -> Result<Self, ReconcileError> {
        let given = items.into();
        if given.len() > MAX_RECONCILED {
            return Err(ReconcileError::TooMany(given.len()));
        }
        Ok(Self { given, salt, state: None })
    }

    /// Takes what the other side sent. After an error the session is of no use.
    pub fn receive(&mut self, message: ReconcileMessage) -> Result<Answer, ReconcileError> {
        match (message, &mut self.state) {
            (ReconcileMessage::Hello { salt, sketch: theirs }, None) => {
                let ours: Sketch = sketch(&self.given, SessionKey::of_sketch(salt))?;
                let key = SessionKey::new(salt, self.salt);
                let items = Items::new(&core::mem::take(&mut self.given), key)?;
                let coder = Coder::new(items.ids(), key.word());
                let coding = self.state.insert(Coding { key, items, coder, sent: 0 });
                let symbols = coding.next(offered_for(ours.difference(&theirs.0)));
                let (salt, check) = (self.salt, coding.items.check);
                let count = u32::try_from(coding.items.len()).unwrap_or(u32::MAX);
                Ok(Answer::Reply(ReconcileMessage::Offer { salt, count, check, symbols }))
            }
            (ReconcileMessage::More { first, count }, Some(coding)) => {
                if first != coding.sent {
                    return Err(ReconcileError::OutOfOrder { expected: coding.sent, got: first });
                }
                if coding.sent >= MAX_SYMBOLS {
                    return Err(ReconcileError::Undecodable(coding.sent));
                }
                Ok(Answer::Reply(ReconcileMessage::Symbols { first, symbols: coding.next(count) }))
            }
            (ReconcileMessage::Want(ids), Some(coding)) => {
                let items = ids.iter().take(MAX_WANTED).filter_map(|id| coding.items.get(*id));
                Ok(Answer::Wanted(items.copied().collect()))
            }
            (message, _) => Err(ReconcileError::Unexpected(message.name())),
        }
    }
}

impl Coding {
    fn next(&mut self, count: u32) -> SymbolBytes {
        let first = self.sent;
        let count = count.min(MAX_SYMBOLS - first) as usize;
        let mut symbols = vec![Symbol::default(); count.min(MAX_SYMBOLS_SENT)];
        self.coder.add_to(first, &mut symbols, self.key.word());
        self.sent += u32::try_from(symbols.len()).unwrap_or(0);
        SymbolBytes(symbols)
    }
}
