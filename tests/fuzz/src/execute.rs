//! EXECUTE, which anybody calls with anything.

use ethrex_execute::{
    ExecuteResult, Mode,
    envelope::Input,
    execute as call,
    gas::{self, MAX_INPUT_LEN},
    testing::{config, l1_spec},
};
use ethrex_stateless::StatelessValidationResult;

/// Gas of a call. Enough for what seeds need; no more, so that no input runs for long.
const GAS: u64 = 20_000_000;
/// When the call happens. The chain has one fork from the start.
const TIME: u64 = 1_000;

/// Gas follows the rule, a failure takes all of it, and a success is a result.
pub(crate) fn execute(bytes: &[u8]) {
    let outcome = call(&config(), l1_spec(), 0, TIME, GAS, bytes).expect("there is no fault");
    let Ok(output) = outcome.result else {
        assert_eq!(outcome.gas_charged, GAS);
        return;
    };
    assert!(outcome.gas_charged <= GAS && bytes.len() <= MAX_INPUT_LEN);
    match Input::parse(bytes).expect("it was understood") {
        Input::Plain => {
            let result = StatelessValidationResult::decode(&output).expect("it is a result");
            assert!(result.successful);
            assert!(outcome.gas_charged >= 16 * bytes.len() as u64);
        }
        Input::Envelope { header, .. } => {
            let result = ExecuteResult::decode(&output).expect("it is a result");
            assert_eq!((result.mode, result.level), (header.mode.id(), 1));
            let least = gas::envelope(bytes.len(), header.gas_bound);
            let transactions = match header.mode {
                Mode::Derive => result.posted_count.max(result.forced_count),
                Mode::Block | Mode::Data => 0,
            };
            assert!(outcome.gas_charged >= least + gas::DROP_GAS * transactions);
        }
    }
    // One gas less than the cost is too little, and nothing is learned.
    let cost = outcome.gas_charged;
    let short = call(&config(), l1_spec(), 0, TIME, cost - 1, bytes).expect("there is no fault");
    assert_eq!(short.gas_charged, cost - 1);
    short.result.expect_err("it is out of gas");
}
