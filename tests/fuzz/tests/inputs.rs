//! Every target holds on its seeds, on damage to them, and on whatever was ever found.

use std::{env, fs, panic, path::Path};

use alloy_primitives::hex;
use ethrex_test_fuzz::{TARGETS, Target, seeds};
use ethrex_test_native::{Dice, damage};

/// Damaged inputs for each target: a fuzzer looks for more, this is for every day.
const DAMAGED: u64 = 300;

fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[test]
fn targets_hold_on_their_seeds_and_on_damage_to_them() {
    let only = setting("ETHREX_FUZZ_TARGET");
    let number = |name| setting(name).map(|value| value.parse::<u64>().expect("it is a number"));
    let damaged = number("ETHREX_FUZZ_DAMAGED").unwrap_or(DAMAGED);
    let wanted =
        TARGETS.into_iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name));
    for Target { name, run } in wanted {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name}");
        seeds.iter().for_each(|seed| run(seed));
        let mut dice = Dice::new(number("ETHREX_FUZZ_SEED").unwrap_or(1));
        for _ in 0..damaged {
            let mut input = dice.of(&seeds);
            for _ in 0..=dice.roll(4) {
                damage::bytes(&mut input, &mut dice);
            }
            if let Err(broken) = panic::catch_unwind(|| run(&input)) {
                println!("{name} does not hold on 0x{}", hex::encode(&input));
                panic::resume_unwind(broken);
            }
        }
        println!("{name}: {} seeds, {damaged} damaged inputs", seeds.len());
    }
}

#[test]
fn targets_hold_on_what_was_found() {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs");
    for folder in fs::read_dir(&inputs).expect("there is a folder of inputs") {
        let folder = folder.expect("it can be read").path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        assert!(TARGETS.iter().any(|target| target.name == name), "inputs of no target: {name}");
        for file in fs::read_dir(&folder).expect("it can be read") {
            let file = file.expect("it can be read").path();
            println!("{}", file.display());
            ethrex_test_fuzz::run(&name, &fs::read(&file).expect("it can be read"));
        }
    }
}
