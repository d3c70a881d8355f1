//! Letters that open, and the many that must not.

use std::convert::Infallible;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use rand_core::TryRng;
use serde::Deserialize;

use super::*;

/// Entropy that the test chooses: a counter through the hash, or given bytes first.
struct Entropy {
    given: Vec<u8>,
    next: u64,
}

impl Entropy {
    const fn new() -> Self {
        Self { given: Vec::new(), next: 0 }
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, output: &mut [u8]) -> Result<(), Infallible> {
        for byte in output {
            if self.given.is_empty() {
                self.given = Digest::of(&self.next.to_be_bytes()).as_bytes().to_vec();
                self.next += 1;
            }
            *byte = self.given.remove(0);
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Entropy {}

fn context() -> SealContext {
    SealContext { network: NetworkId(Digest::of(b"network")), topic: Digest::of(b"topic"), epoch: 7 }
}

fn author() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn recipient(i: u8) -> SealingKey {
    SealingKey::from_bytes(&[i; 32])
}

fn letter(content: &[u8]) -> Letter {
    Letter { id: LetterId([9; 16]), created: 100, expires: 400, content: Zeroizing::new(content.to_vec()) }
}

fn sealed_for(content: &[u8], recipients: &[&SealingKey]) -> Vec<u8> {
    let recipients: Vec<_> = recipients.iter().map(|key| key.public()).collect();
    seal(&letter(content), &author(), &recipients, &context(), &mut Entropy::new()).unwrap()
}

#[test]
fn each_recipient_reads_the_letter_and_who_wrote_it() {
    let keys: Vec<_> = (1..=3).map(recipient).collect();
    let sealed = sealed_for(b"hello", &keys.iter().collect::<Vec<_>>());
    for key in &keys {
        let opened = open(&sealed, key, &context()).unwrap();
        assert_eq!(opened, Opened { author: author().verifying_key(), letter: letter(b"hello") });
    }
    assert_eq!(open(&sealed, &recipient(4), &context()), Err(OpenError));
}

#[test]
fn neither_author_nor_recipient_nor_length_shows() {
    let key = recipient(1);
    let short = sealed_for(b"", &[&key]);
    let long = sealed_for(&[b'x'; 200], &[&key]);
    assert_eq!(short.len(), long.len());
    assert!(sealed_for(&[b'x'; 300], &[&key]).len() > long.len(), "above the floor it is Padmé's lengths");
    for secret in [author().verifying_key().as_bytes(), key.public().as_bytes(), &[b'x'; 32]] {
        assert!(!long.windows(8).any(|window| window == &secret[..8]));
    }
}

#[test]
fn a_letter_opens_in_its_own_context_only() {
    let sealed = sealed_for(b"hello", &[&recipient(1)]);
    let home = context();
    for elsewhere in [
        SealContext { network: NetworkId(Digest::of(b"other")), ..home },
        SealContext { topic: Digest::of(b"other"), ..home },
        SealContext { epoch: home.epoch + 1, ..home },
    ] {
        assert_eq!(open(&sealed, &recipient(1), &elsewhere), Err(OpenError));
    }
    assert!(open(&sealed, &recipient(1), &home).is_ok());
}

/// Taken apart as the module describes it, with HPKE, HKDF, the AEAD and Ed25519 alone.
#[test]
fn a_sealed_letter_is_what_its_description_says() {
    let (key, home) = (recipient(1), context());
    let sealed = sealed_for(b"hello", &[&key]);
    let (version, rest) = sealed.split_at(2);
    let (enc, rest) = rest.split_at(32);
    let (slot_commitment, rest) = rest.split_at(32);
    let (slot, rest) = rest.split_at(144);
    let (commitment, boxed) = rest.split_at(32);
    assert_eq!(version, [1, 1]);
    let epoch = 7_u64.to_be_bytes();
    let info =
        [b"jurat/v1/seal", home.network.0.as_bytes().as_slice(), home.topic.as_bytes(), &epoch].concat();
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc).unwrap();
    let mut hpke =
        setup_receiver::<Cipher, Kdf, Kem>(&OpModeR::Base, key.hpke(), &encapsulated, &info).unwrap();
    let mut exported = [0; 32];
    hpke.export(b"jurat/v1/seal/commitment", &mut exported).unwrap();
    assert_eq!(exported, slot_commitment);
    let slot = hpke.open(slot, &[]).unwrap();
    let (content_key, rest) = slot.split_at(32);
    let (by, signature) = rest.split_at(32);
    let expand = |label: &[u8]| {
        let mut output = [0; 32];
        Hkdf::<Sha256>::new(None, content_key).expand(label, &mut output).unwrap();
        output
    };
    assert_eq!(commitment, expand(b"jurat/v1/seal/commitment"));
    let payload = Payload { msg: boxed, aad: &sealed[..2 + 208 + 32] };
    let cipher = ChaCha20Poly1305::new((&expand(b"jurat/v1/seal/box")).into());
    let padded = cipher.decrypt(&[0; 12].into(), payload).unwrap();
    let mut letter =
        [[9; 16].as_slice(), &100_u32.to_be_bytes(), &400_u32.to_be_bytes(), &5_u32.to_be_bytes(), b"hello"]
            .concat();
    letter.resize(256, 0);
    assert_eq!(padded, letter);
    let public = key.public();
    let statement =
        [enc, public.as_bytes(), home.topic.as_bytes(), &epoch, commitment, Digest::of(&letter).as_bytes()]
            .concat();
    let signature = Signature::from_bytes(signature.try_into().unwrap());
    assert_eq!(by, author().verifying_key().as_bytes());
    Domain::new("jurat/v1/seal")
        .verify(&author().verifying_key(), home.network, &statement, &signature)
        .unwrap();
}

/// The shape is read off the bytes: nobody's key is asked.
#[test]
fn a_shape_has_a_version_slots_and_a_length_that_padding_gives() {
    let shaped = |version: u8, slots: u8, padded: usize| {
        let mut bytes = vec![0; 2 + SLOT * usize::from(slots) + COMMITMENT + padded + TAG];
        (bytes[0], bytes[1]) = (version, slots);
        let recipients = recipients_of(&bytes);
        assert_eq!(recipients, has_sealed_shape(&bytes).then_some(usize::from(slots)));
        recipients.is_some()
    };
    assert!(shaped(1, 1, 256) && shaped(1, 16, 256) && shaped(1, 1, 63_488));
    // 240 is a length of Padmé as well, but below the floor.
    assert_eq!(padme_length(240), 240);
    let refused =
        [(0, 1, 256), (2, 1, 256), (1, 0, 256), (1, 17, 256), (1, 1, 240), (1, 1, 257), (1, 1, 65_536)];
    for (version, slots, padded) in refused {
        assert!(!shaped(version, slots, padded), "{version} {slots} {padded}");
    }
    assert!(!has_sealed_shape(&[]) && !has_sealed_shape(&[1]) && !has_sealed_shape(&[1, 1]));
}

/// What an outsider or a recipient can do with a letter that is not theirs.
mod forged {
    use super::*;

    /// A slot with everything right but what `alter` changes before it is sealed.
    fn forge(alter: impl Fn(&mut [u8; SLOT_PLAIN], &[u8; ENC], &[u8; COMMITMENT], &Digest)) -> Vec<u8> {
        let (key, info) = (recipient(1), context().info());
        let padded = pad(&letter(b"hello")).unwrap();
        let content_key = [5; KEY];
        let (box_key, commitment) = derive(&content_key);
        let public = key.public();
        let (enc, mut hpke) = hpke::setup_sender_with_rng::<Cipher, Kdf, Kem>(
            &OpModeS::Base,
            public.hpke(),
            &info,
            &mut Entropy::new(),
        )
        .unwrap();
        let enc: [u8; ENC] = enc.to_bytes().into();
        let statement = signed(&enc, &public, &context(), &commitment, &Digest::of(&padded));
        let signature = SEAL.sign(&author(), context().network, &statement);
        let mut plain = [0; SLOT_PLAIN];
        plain[..KEY].copy_from_slice(&content_key);
        plain[KEY..64].copy_from_slice(author().verifying_key().as_bytes());
        plain[64..].copy_from_slice(&signature.to_bytes());
        alter(&mut plain, &enc, &commitment, &Digest::of(&padded));
        let mut slot_commitment = [0; COMMITMENT];
        hpke.export(COMMITMENT_LABEL, &mut slot_commitment).unwrap();
        let mut sealed = vec![VERSION, 1];
        sealed.extend(enc);
        sealed.extend(slot_commitment);
        sealed.extend(hpke.seal(&plain, &[]).unwrap());
        sealed.extend(commitment);
        let payload = Payload { msg: &padded, aad: &sealed };
        let ciphertext = ChaCha20Poly1305::new((&*box_key).into()).encrypt(&[0; 12].into(), payload).unwrap();
        sealed.extend(ciphertext);
        sealed
    }

    #[test]
    fn the_forger_makes_letters_that_open_when_nothing_is_altered() {
        assert!(open(&forge(|_, _, _, _| {}), &recipient(1), &context()).is_ok());
    }

    /// A stranger who learned the content puts their name on it, or another's.
    #[test]
    fn another_author_with_the_signature_of_the_first_is_refused() {
        let other = SigningKey::from_seed(&[2; 32]).verifying_key();
        let sealed = forge(|plain, _, _, _| plain[KEY..64].copy_from_slice(other.as_bytes()));
        assert_eq!(open(&sealed, &recipient(1), &context()), Err(OpenError));
    }

    /// A recipient passes a letter on, so that it seems to be written to someone else.
    #[test]
    fn a_signature_for_another_recipient_is_refused() {
        let sealed = forge(|plain, enc, commitment, letter| {
            let other = recipient(2).public();
            let statement = signed(enc, &other, &context(), commitment, letter);
            let signature = SEAL.sign(&author(), context().network, &statement);
            plain[64..].copy_from_slice(&signature.to_bytes());
        });
        assert_eq!(open(&sealed, &recipient(1), &context()), Err(OpenError));
    }

    /// The AEAD would open the box under another key if someone made it so; the commitment does not.
    #[test]
    fn another_content_key_is_refused() {
        let sealed = forge(|plain, _, _, _| plain[0] ^= 1);
        assert_eq!(open(&sealed, &recipient(1), &context()), Err(OpenError));
    }

    #[test]
    fn an_encapsulated_key_of_small_order_or_second_spelling_is_refused() {
        let honest = forge(|_, _, _, _| {});
        let mut spelled = honest.clone();
        spelled[2 + 31] |= 0x80;
        assert_eq!(open(&spelled, &recipient(1), &context()), Err(OpenError));
        let mut zero = honest;
        zero[2..34].fill(0);
        assert_eq!(open(&zero, &recipient(1), &context()), Err(OpenError));
    }
}

/// A hostile author can bind a slot to whatever it likes; the slot's commitment has to be the key's.
#[test]
fn a_slot_with_another_commitment_is_refused_though_its_author_sealed_it_so() {
    let (key, info, padded) = (recipient(1), context().info(), pad(&letter(b"hello")).unwrap());
    let (box_key, commitment) = derive(&[5; KEY]);
    let made = |slot_commitment: Option<[u8; 32]>| {
        let (enc, mut hpke) = hpke::setup_sender_with_rng::<Cipher, Kdf, Kem>(
            &OpModeS::Base,
            key.public().hpke(),
            &info,
            &mut Entropy::new(),
        )
        .unwrap();
        let enc: [u8; ENC] = enc.to_bytes().into();
        let statement = signed(&enc, &key.public(), &context(), &commitment, &Digest::of(&padded));
        let signature = SEAL.sign(&author(), context().network, &statement).to_bytes();
        let plain = [[5; KEY].as_slice(), author().verifying_key().as_bytes(), &signature].concat();
        let mut exported = [0; COMMITMENT];
        hpke.export(COMMITMENT_LABEL, &mut exported).unwrap();
        let slot = hpke.seal(&plain, &[]).unwrap();
        let head: [&[u8]; 5] =
            [&[VERSION, 1], &enc, &slot_commitment.unwrap_or(exported), &slot, &commitment];
        let head = head.concat();
        let payload = Payload { msg: &padded, aad: &head };
        let boxed = ChaCha20Poly1305::new((&*box_key).into()).encrypt(&[0; 12].into(), payload).unwrap();
        [head, boxed].concat()
    };
    assert!(open(&made(None), &key, &context()).is_ok());
    assert_eq!(open(&made(Some([6; 32])), &key, &context()), Err(OpenError));
}

#[test]
fn above_the_floor_lengths_are_those_of_padme() {
    let key = recipient(1);
    let [shorter, longer, longest] = [300, 308, 309].map(|length| sealed_for(&vec![b'x'; length], &[&key]));
    assert!(shorter.len() == longer.len() && longer.len() < longest.len());
    assert_eq!(open(&shorter, &key, &context()).unwrap().letter.content.len(), 300);
    // What is over before it begins is none, though somebody padded it.
    let backwards = Letter { created: 400, expires: 399, ..letter(b"hello") };
    assert_eq!(unpad(&pad(&backwards).unwrap()), None);
}

#[test]
fn what_can_not_be_sealed() {
    let (key, author) = (recipient(1).public(), author());
    let with = |letter: &Letter, recipients: &[SealingPublicKey]| {
        seal(letter, &author, recipients, &context(), &mut Entropy::new()).map(|sealed| sealed.len())
    };
    assert_eq!(with(&letter(b""), &[]), Err(SealError::Recipients(0)));
    let crowd = vec![key; MAX_RECIPIENTS + 1];
    assert_eq!(with(&letter(b""), &crowd), Err(SealError::Recipients(MAX_RECIPIENTS + 1)));
    let longest = letter(&vec![0; MAX_LETTER_BYTES]);
    assert!(with(&longest, &crowd[1..]).unwrap() <= MAX_SEALED_BYTES);
    let longer = letter(&vec![0; MAX_LETTER_BYTES + 1]);
    assert_eq!(with(&longer, &crowd[1..]), Err(SealError::TooLong(MAX_LETTER_BYTES + 1)));
    let expired = Letter { expires: 99, ..letter(b"") };
    assert_eq!(with(&expired, &crowd[1..]), Err(SealError::Expired { created: 100, expires: 99 }));
}

#[test]
fn hidden_padding_is_zeros_and_no_longer_than_it_must_be() {
    let padded = pad(&letter(b"hello")).unwrap();
    assert_eq!(unpad(&padded), Some(letter(b"hello")));
    let mut marked = padded.clone();
    marked[255] = 1;
    assert_eq!(unpad(&marked), None);
    assert_eq!(unpad(&[&**padded, &[0; 16]].concat()), None);
    assert_eq!(unpad(&padded[..LETTER_HEADER - 1]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_sealed_opens(content: Vec<u8>, created: u32, life: u32, id: [u8; 16], epoch: u64) {
        let expires = created.saturating_add(life);
        let letter = Letter { id: LetterId(id), created, expires, content: Zeroizing::new(content) };
        let context = SealContext { epoch, ..context() };
        let key = recipient(1);
        let sealed = seal(&letter, &author(), &[key.public()], &context, &mut Entropy::new()).unwrap();
        prop_assert!(has_sealed_shape(&sealed));
        prop_assert_eq!(open(&sealed, &key, &context).unwrap().letter, letter);
    }

    #[test]
    fn nothing_panics_on_what_is_not_a_letter(bytes: Vec<u8>, count in 0_u8..20, length in 0_usize..900) {
        prop_assert_eq!(open(&bytes, &recipient(1), &context()), Err(OpenError));
        let mut shaped = vec![bytes.first().copied().unwrap_or(0); length];
        if let [version, slots, ..] = shaped.as_mut_slice() {
            (*version, *slots) = (VERSION, count);
        }
        prop_assert_eq!(open(&shaped, &recipient(1), &context()), Err(OpenError));
    }
}

#[test]
fn every_single_bit_change_and_every_truncation_is_refused() {
    let keys = [recipient(1), recipient(2)];
    let sealed = sealed_for(b"hello", &[&keys[0], &keys[1]]);
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&altered, &keys[0], &context()), Err(OpenError), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(open(&sealed[..length], &keys[0], &context()), Err(OpenError));
    }
    assert_eq!(open(&[&*sealed, &[0]].concat(), &keys[0], &context()), Err(OpenError));
}

#[derive(Deserialize)]
struct HpkeCase {
    mode: String,
    aead_id: String,
    info: String,
    #[serde(rename = "ikmE")]
    ikm_e: String,
    #[serde(rename = "skRm")]
    sk_rm: String,
    #[serde(rename = "pkRm")]
    pk_rm: String,
    enc: String,
    encryptions: Vec<HpkeEncryption>,
    exports: Vec<HpkeExport>,
}

#[derive(Deserialize)]
struct HpkeEncryption {
    #[serde(rename = "sequence number")]
    sequence_number: String,
    pt: String,
    aad: String,
    ct: String,
}

#[derive(Deserialize)]
struct HpkeExport {
    exporter_context: String,
    exported_value: String,
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// The suite and the key types under the letters, against RFC 9180, appendix A.2.1.
#[test]
fn the_suite_is_that_of_rfc_9180() {
    let text = include_str!("../../../../tests/vectors/sealing/hpke_rfc9180.json");
    let cases: Vec<HpkeCase> = serde_json::from_str(text).unwrap();
    let base: Vec<_> = cases.iter().filter(|case| case.mode == "0" && case.aead_id == "3").collect();
    assert_eq!(base.len(), 1);
    let case = base[0];
    let key = SealingKey::from_bytes(&hex(&case.sk_rm).try_into().unwrap());
    assert_eq!(key.public().as_bytes().as_slice(), hex(&case.pk_rm));
    let (enc, mut sender) = hpke::setup_sender_with_rng::<Cipher, Kdf, Kem>(
        &OpModeS::Base,
        key.public().hpke(),
        &hex(&case.info),
        &mut Entropy { given: hex(&case.ikm_e), next: 0 },
    )
    .unwrap();
    assert_eq!(enc.to_bytes().as_slice(), hex(&case.enc));
    let mut receiver =
        setup_receiver::<Cipher, Kdf, Kem>(&OpModeR::Base, key.hpke(), &enc, &hex(&case.info)).unwrap();
    let consecutive = case.encryptions.iter().enumerate();
    for (_, encryption) in
        consecutive.take_while(|(i, encryption)| encryption.sequence_number == i.to_string())
    {
        let (aad, plaintext) = (hex(&encryption.aad), hex(&encryption.pt));
        assert_eq!(sender.seal(&plaintext, &aad).unwrap(), hex(&encryption.ct));
        assert_eq!(receiver.open(&hex(&encryption.ct), &aad).unwrap(), plaintext);
    }
    assert_eq!(case.exports.len(), 3);
    for export in &case.exports {
        let mut exported = [0; 32];
        receiver.export(&hex(&export.exporter_context), &mut exported).unwrap();
        assert_eq!(exported.as_slice(), hex(&export.exported_value));
    }
}
