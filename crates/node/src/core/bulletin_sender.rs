//! Who says who they are when they post a bulletin: it costs less for those whom the receiver trusts.

use jurat_bulletin::{Header, Posting};
use jurat_crypto::{Domain, NetworkId, Signature, VerifyingKey};
use jurat_trust::{FederationId, KeyBytes, Registry, Status};

/// What a sender signs: topic (32), content id (32) and time (4) of the bulletin.
pub const BULLETIN_SENDER: Domain = Domain::new("jurat/v1/bulletin-sender");

/// Bytes of a header that its sender signs.
const SIGNED_BYTES: usize = 32 + 32 + 4;

/// A federation that posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulletinSender {
    /// The federation.
    pub federation: FederationId,
    /// One of its keys, its admin's or a team's.
    pub key: VerifyingKey,
    /// By that key.
    pub signature: Signature,
}

/// Why a sender is not who they say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SenderRefusal {
    /// The registry has none of this id that may act.
    #[error("{0} is no active federation")]
    Federation(FederationId),
    /// The key is another's, or out of use.
    #[error("{key} is no key in use of {federation}")]
    Key {
        /// The key.
        key: KeyBytes,
        /// The federation.
        federation: FederationId,
    },
    /// The key has not signed this bulletin.
    #[error("the signature does not verify for this bulletin and network")]
    Signature,
}

/// What a posting's sender signs of its header: all but the nonce.
#[must_use]
pub fn sender_body(header: &Header) -> [u8; SIGNED_BYTES] {
    let header = header.encode();
    std::array::from_fn(|i| header[i])
}

/// How much the federation of the node with this link key trusts another, 0 to 10 000: itself wholly.
#[must_use]
pub fn trust_of_node(registry: &Registry, link: &VerifyingKey, other: &FederationId) -> u16 {
    match registry.council_seat(link) {
        Some((own, _)) if own == other => 10_000,
        Some((own, _)) => registry.trust(own, other).map_or(0, |trust| trust.score.basis_points()),
        None => 0,
    }
}

impl BulletinSender {
    /// Checks that the sender is who they say, and has signed this posting.
    pub fn check(
        &self,
        registry: &Registry,
        network: NetworkId,
        posting: &[u8],
    ) -> Result<(), SenderRefusal> {
        let federation = registry.federation(&self.federation);
        let federation = federation.filter(|federation| federation.status == Status::Active);
        let federation = federation.ok_or_else(|| SenderRefusal::Federation(self.federation.clone()))?;
        let key = KeyBytes::from(&self.key);
        let mut keys =
            federation.admin_keys.iter().chain(federation.teams.iter().flat_map(|team| &team.keys));
        if !keys.any(|known| *known == key) {
            return Err(SenderRefusal::Key { key, federation: self.federation.clone() });
        }
        let header = Posting::header_of(posting).map_err(|_| SenderRefusal::Signature)?;
        let verified = BULLETIN_SENDER.verify(&self.key, network, &sender_body(&header), &self.signature);
        verified.map_err(|_| SenderRefusal::Signature)
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{Digest, SigningKey};
    use jurat_trust::{Act, Operation, OrderedTime, Relationship, Score, SignedOperation};

    use super::*;

    const NETWORK: NetworkId = NetworkId(Digest::from_bytes([7; 32]));
    const DAY: u64 = 24 * 3600 * 1000;

    fn key(name: u8) -> SigningKey {
        SigningKey::from_seed(&[name; 32])
    }

    fn federation(name: &str) -> FederationId {
        FederationId::new(name).unwrap()
    }

    fn founded() -> Registry {
        let founders = [("fed:a", 1), ("fed:b", 2), ("fed:c", 3), ("fed:d", 4)];
        let founders = founders.map(|(name, seed)| (federation(name), key(seed).verifying_key()));
        Registry::founded_by(NETWORK, founders.to_vec()).unwrap()
    }

    /// What federation a does as its operation of a number in its domain.
    fn act(registry: &mut Registry, sequence: u64, act: Act, at: u64) {
        let mut signed =
            SignedOperation::new(Operation { federation: federation("fed:a"), sequence, act }).unwrap();
        signed.sign(&key(1), NETWORK).unwrap();
        registry.apply(&signed.verify(NETWORK).unwrap(), OrderedTime(at)).unwrap();
    }

    #[test]
    fn a_node_trusts_as_its_federation_does() {
        let (mut registry, link, other) = (founded(), key(1).verifying_key(), federation("fed:b"));
        let trust = |registry: &Registry| trust_of_node(registry, &link, &other);
        assert_eq!(trust(&registry), 0);
        assert_eq!(trust_of_node(&registry, &link, &federation("fed:a")), 10_000);
        assert_eq!(trust_of_node(&registry, &key(9).verifying_key(), &other), 0, "no member");
        let (relationship, score) = (Relationship::Trusted, Score::new(5_000).unwrap());
        let target = other.clone();
        let establish = Act::EstablishTrust { target, relationship, witness_allowed: false, score };
        act(&mut registry, 1, establish, DAY);
        assert_eq!(trust(&registry), 5_000);
        // After a week of things that went well it is trusted.
        for i in 0..4 {
            let went_well = Act::RecordInteraction { target: other.clone(), successful: true };
            act(&mut registry, 2 + i, went_well, (9 + i) * DAY);
        }
        assert_eq!(trust(&registry), 6_000);
        // That is one way only.
        assert_eq!(trust_of_node(&registry, &key(2).verifying_key(), &federation("fed:a")), 0);
    }

    #[test]
    fn only_who_holds_a_key_of_the_federation_posts_for_it() {
        let (registry, posting) =
            (founded(), [&[0, 0, 0, 7][..], &[5; 32], &[6; 32], &[0; 8], b"snow"].concat());
        let sign = |key: &SigningKey, network, posting: &[u8]| {
            BULLETIN_SENDER.sign(key, network, &sender_body(&Posting::header_of(posting).unwrap()))
        };
        let good = BulletinSender {
            federation: federation("fed:b"),
            key: key(2).verifying_key(),
            signature: sign(&key(2), NETWORK, &posting),
        };
        let check = |sender: &BulletinSender, posting: &[u8]| sender.check(&registry, NETWORK, posting);
        assert_eq!(check(&good, &posting), Ok(()));
        // Another price or nonce is the same bulletin; another topic, content or time is not.
        let changed = |at: usize| {
            let mut posting = posting.clone();
            posting[at] ^= 1;
            check(&good, &posting)
        };
        assert_eq!([3, 72].map(changed), [Ok(()), Ok(())]);
        assert!([4, 36, 71].map(changed).iter().all(|checked| *checked == Err(SenderRefusal::Signature)));
        assert_eq!(check(&good, &posting[..71]), Err(SenderRefusal::Signature));
        // With a solution ahead of it too.
        let solved = [&[0x80, 0, 0, 7, 17][..], &[9; 17], &posting[4..]].concat();
        assert_eq!(check(&good, &solved), Ok(()));
        let wrong_length = [&[0x80, 0, 0, 7, 16][..], &[9; 16], &posting[4..]].concat();
        assert_eq!(check(&good, &wrong_length), Err(SenderRefusal::Signature));
        let elsewhere = sign(&key(2), NetworkId(Digest::of(b"other")), &posting);
        let elsewhere = BulletinSender { signature: elsewhere, ..good.clone() };
        assert_eq!(check(&elsewhere, &posting), Err(SenderRefusal::Signature));
        let borrowed = BulletinSender { federation: federation("fed:c"), ..good.clone() };
        assert!(matches!(check(&borrowed, &posting), Err(SenderRefusal::Key { .. })));
        let nobody = BulletinSender { federation: federation("fed:x"), ..good };
        assert_eq!(check(&nobody, &posting), Err(SenderRefusal::Federation(federation("fed:x"))));
    }
}
