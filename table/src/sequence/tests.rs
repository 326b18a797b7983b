use super::*;
use spacetime_types::{ColId, SequenceId};

fn sequence(increment: i128, min_value: i128, max_value: i128, position: i128) -> Sequence {
    let schema = SequenceSchema {
        id: SequenceId(1),
        name: "s".into(),
        column: ColId(0),
        increment,
        start: min_value,
        min_value,
        max_value,
    };
    Sequence::new(TableId(1), schema, &AlgebraicType::I128, position).expect("valid")
}

#[test]
fn steps_wrap_around() {
    let check = |increment, from, to| {
        assert_eq!(
            sequence(increment, 1, 10, 1).step(from),
            to,
            "{increment} {from}"
        );
    };
    check(1, 9, 10);
    check(1, 10, 1);
    check(3, 5, 8);
    check(3, 9, 2);
    check(-3, 4, 1);
    check(-3, 1, 8);
}

#[test]
fn steps_do_not_overflow() {
    let all = sequence(1, i128::MIN, i128::MAX, 0);
    assert_eq!(all.step(i128::MAX), i128::MIN);
    let back = sequence(-1, i128::MIN, i128::MAX, 0);
    assert_eq!(back.step(i128::MIN), i128::MAX);
    let far = sequence(i128::MAX, i128::MIN, i128::MAX, 0);
    assert_eq!(far.step(i128::MAX), -2);
}

#[test]
fn a_block_ends_before_it_comes_round() {
    assert_eq!(sequence(1, 1, 3, 1).next_block(), 3);
    assert_eq!(sequence(1, 1, i128::MAX, 1).next_block(), 4097);
    let mut small = sequence(1, 1, 3, 1);
    let mut values = Vec::new();
    for _ in 0..7 {
        if small.needs_block() {
            small.allocated = small.next_block();
            small.recorded = small.allocated;
        }
        values.push(small.take());
    }
    assert_eq!(values, [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn refuses_wrong_parameters() {
    let check = |increment, start, min_value, max_value| {
        let mut schema = sequence(1, 1, 10, 1).schema;
        schema.increment = increment;
        schema.start = start;
        schema.min_value = min_value;
        schema.max_value = max_value;
        check_parameters(&schema)
    };
    assert_eq!(check(1, 1, 1, 10), Ok(()));
    for (increment, start, min_value, max_value) in [
        (0, 1, 1, 10),
        (9, 1, 1, 10),
        (-9, 1, 1, 10),
        (1, 0, 1, 10),
        (1, 1, 10, 1),
    ] {
        assert!(check(increment, start, min_value, max_value).is_err());
    }
}

#[test]
fn integers_are_written_in_any_width() {
    let mut wide = [7; 32];
    write_integer(-2, &mut wide);
    assert_eq!(wide[0], 0xfe);
    assert!(wide[1..].iter().all(|byte| *byte == 0xff));
    let mut narrow = [7; 1];
    write_integer(200, &mut narrow);
    assert_eq!(narrow, [200]);
}
