//! The compression function, written once for vectors of any width.

/// The constants of the rounds (FIPS 180-4, section 4.2.2), by sixteens.
pub(crate) const K: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

/// Defines what 64 rounds make of each lane of a state (FIPS 180-4, section 6.2.2, step 4 excepted),
/// out of functions that the caller defines.
///
/// Macros, since functions for a processor's vectors can't be made generic over them.
macro_rules! define_rounds {
    ($vector:ty, $features:literal) => {
        /// Over the words of a block.
        #[inline]
        #[target_feature(enable = $features)]
        fn rounds(state: &[$vector; 8], mut words: [$vector; 16]) -> [$vector; 8] {
            $crate::rounds::all_rounds!(state, words)
        }

        /// Over the words of a message's only block.
        #[inline]
        #[target_feature(enable = $features)]
        fn rounds_of_single(mut words: [$vector; 16]) -> [$vector; 8] {
            let state = &$crate::state::INITIAL.map(|word| splat(word));
            $crate::rounds::all_rounds!(state, words)
        }

        /// Adds to each word of a state what the rounds made of it.
        #[inline]
        #[target_feature(enable = $features)]
        fn add_to(state: &mut [$vector; 8], change: [$vector; 8]) {
            for (word, change) in state.iter_mut().zip(change) {
                *word = add(*word, change);
            }
        }

        /// The two blocks' words of a message that is a byte and these sixteen words, given with
        /// each word's last byte first, since it belongs into the message's next word. Of the second
        /// block the first word: the others but the last are zero.
        #[inline]
        #[target_feature(enable = $features)]
        fn behind_byte(byte: u8, words: [$vector; 16]) -> ([$vector; 16], $vector) {
            let first_byte = splat(0xff00_0000);
            let mut message = words;
            message[0] = choose(first_byte, splat(u32::from(byte) << 24), words[0]);
            for t in 1..16 {
                message[t] = choose(first_byte, words[t - 1], words[t]);
            }
            (message, choose(first_byte, words[15], splat(0x0080_0000)))
        }

        /// Over a block that ends a message of so many bits and has no more than its first word of it.
        #[inline]
        #[target_feature(enable = $features)]
        fn rounds_of_end(state: &[$vector; 8], first: $vector, bits: u32) -> [$vector; 8] {
            let mut words = [splat(0); 16];
            (words[0], words[15]) = (first, splat(bits));
            $crate::rounds::all_rounds!(state, words)
        }
    };
}

/// The rounds themselves, compiled anew in each place: what is constant there is worked out then,
/// which is a tenth of all for the end of a message.
macro_rules! all_rounds {
    ($state:ident, $words:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *$state;
        // The names of the variables move on instead of their values.
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $k:ident $t:literal) => {
                let word = add($words[$t], splat($k[$t]));
                let t1 = add(add($h, word), add(big_sigma_1($e), choose($e, $f, $g)));
                $d = add($d, t1);
                $h = add(t1, add(big_sigma_0($a), majority($a, $b, $c)));
            };
        }
        // A word is made right before its round, so that the processor has both to do at once.
        macro_rules! next_round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $k:ident $t:literal) => {
                let old = add($words[$t], small_sigma_0($words[($t + 1) % 16]));
                $words[$t] = add(old, add($words[($t + 9) % 16], small_sigma_1($words[($t + 14) % 16])));
                round!($a $b $c $d $e $f $g $h $k $t);
            };
        }
        macro_rules! sixteen {
            ($step:ident $k:ident) => {
                $step!(a b c d e f g h $k 0);
                $step!(h a b c d e f g $k 1);
                $step!(g h a b c d e f $k 2);
                $step!(f g h a b c d e $k 3);
                $step!(e f g h a b c d $k 4);
                $step!(d e f g h a b c $k 5);
                $step!(c d e f g h a b $k 6);
                $step!(b c d e f g h a $k 7);
                $step!(a b c d e f g h $k 8);
                $step!(h a b c d e f g $k 9);
                $step!(g h a b c d e f $k 10);
                $step!(f g h a b c d e $k 11);
                $step!(e f g h a b c d $k 12);
                $step!(d e f g h a b c $k 13);
                $step!(c d e f g h a b $k 14);
                $step!(b c d e f g h a $k 15);
            };
        }
        let [first, second, third, fourth] = &$crate::rounds::K;
        sixteen!(round first);
        sixteen!(next_round second);
        sixteen!(next_round third);
        sixteen!(next_round fourth);
        [a, b, c, d, e, f, g, h]
    }};
}

pub(crate) use {all_rounds, define_rounds};
