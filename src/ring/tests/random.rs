// SPDX-License-Identifier: GPL-2.0

//! Random operations beside the model, in the measure in which they are worth trying.

use super::model::{run, Case, Op};
use proptest::prelude::*;

fn op() -> impl Strategy<Value = Op> {
    let any = any::<u8>;
    prop_oneof![
        24 => any().prop_map(|len| Op::Write(len % 80)),
        8 => any().prop_map(|len| Op::Reserve(len % 40)),
        6 => (any(), any()).prop_map(|(i, len)| Op::Commit(i, len % 40)),
        4 => any().prop_map(Op::Discard),
        16 => (any(), any()).prop_map(|(who, max)| Op::Read(who, max)),
        2 => any().prop_map(Op::Detach),
        4 => Just(Op::Flush),
        1 => any().prop_map(|n| if n < 32 { Op::Close } else { Op::Reset }),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let reserves = prop_oneof![3 => Just((0, 0, 0)), 1 => any::<(u8, u8, u8)>()];
    let ops = prop::collection::vec(op(), 1..200);
    let flags = any::<(bool, bool, bool, bool, bool)>();
    let entrance = prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(2)];
    (any::<(u8, u8)>(), 0..3u8, flags, entrance, reserves, ops).prop_map(
        |(shape, scheme, flags, entrance, reserves, ops)| Case {
            shape,
            scheme,
            overwrite: flags.0,
            packet: flags.1,
            whole_only: flags.2,
            marks: flags.3,
            records: flags.4,
            entrance,
            reserves,
            ops,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 5000 }))]

    #[test]
    fn any_operations(case in case()) {
        run(&case);
    }
}
