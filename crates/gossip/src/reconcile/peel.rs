//! Decoding: what two sets differ in, out of the difference of their symbols.

use alloc::{collections::BTreeSet, vec::Vec};

use super::symbol::{Coder, Places, Symbol};

/// Takes items out of symbols until nothing is left of those.
#[derive(Clone, Debug)]
pub(super) struct Peeler {
    key: u64,
    symbols: Vec<Symbol>,
    /// Those found, which are taken out of symbols that come later too.
    found: Coder,
    ids: BTreeSet<u64>,
    nonzero: usize,
}

/// An item came out of the symbols a second time: they are sums of no sets.
pub(super) struct FoundTwice;

impl Peeler {
    pub(super) fn new(key: u64) -> Self {
        Self { key, symbols: Vec::new(), found: Coder::default(), ids: BTreeSet::new(), nonzero: 0 }
    }

    /// How many symbols were given.
    pub(super) fn given(&self) -> u32 {
        u32::try_from(self.symbols.len()).unwrap_or(u32::MAX)
    }

    /// Whether all of the difference is found. The first symbol has every item in it.
    pub(super) fn is_done(&self) -> bool {
        !self.symbols.is_empty() && self.nonzero == 0
    }

    /// The short ids that one set has and the other has not.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.ids.iter().copied()
    }

    /// Takes the next symbols of the sets' difference.
    pub(super) fn extend(&mut self, mut symbols: Vec<Symbol>) -> Result<(), FoundTwice> {
        let first = self.given();
        self.found.add_to(first, &mut symbols, self.key);
        self.nonzero += symbols.iter().filter(|symbol| !symbol.is_zero()).count();
        let mut changed: BTreeSet<u32> = (first..).take(symbols.len()).collect();
        self.symbols.append(&mut symbols);
        // The last first: those before have so many items that looking at them each time they change
        // would one day take a sum for an item.
        while let Some(place) = changed.pop_last() {
            let Some(id) = self.single(place) else { continue };
            if !self.ids.insert(id) {
                return Err(FoundTwice);
            }
            let item = Symbol::of(id, self.key);
            let mut places = Places::of(id, self.key);
            while let Some(place) = places.next_before(self.given()) {
                let Some(symbol) = self.symbols.get_mut(place as usize) else { break };
                self.nonzero -= usize::from(!symbol.is_zero());
                symbol.toggle(item);
                self.nonzero += usize::from(!symbol.is_zero());
                changed.insert(place);
            }
            self.found.push(id, places);
        }
        Ok(())
    }

    /// The one item of a symbol that has one.
    fn single(&self, place: u32) -> Option<u64> {
        let symbol = *self.symbols.get(place as usize)?;
        (!symbol.is_zero() && symbol == Symbol::of(symbol.ids, self.key)).then_some(symbol.ids)
    }
}
