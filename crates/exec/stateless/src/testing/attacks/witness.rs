//! What a witness is asked for, and where it is looked for.

use alloy_primitives::{Address, Bytes};
use ethrex_types::{
    BlockAccessList,
    eip7928::{AccountChanges, SlotChanges},
};

use super::{
    Answer::{Insufficient, Invalid, Valid, Witness},
    Attack, busy, resealed, sort, with,
};
use crate::StatelessInput;

/// Accounts of which the gas limit of a block has no room for so many (EIP-7928), in a list that is still shorter than an input may be.
const SURPLUS: u64 = 30_100;

/// The access list is what the block touches: no more, no less, in its order and encoding.
#[must_use]
pub fn w08() -> Vec<Attack> {
    let (_, block) = busy();
    let (honest, list) = (block.input, block.access_list);
    let listed = |name, bytes: Vec<u8>| {
        let input = resealed(&honest, |input| {
            input.request.payload.block_access_list = bytes.into();
        });
        Attack::new(name, &honest, input, Invalid).derived(Valid).says("access list")
    };
    let changed = |name, change: &dyn Fn(&mut BlockAccessList)| {
        let mut list = list.clone();
        change(&mut list);
        listed(name, alloy_rlp::encode(&list))
    };
    let read = list.iter().position(|account| !account.storage_reads.is_empty());
    let read = read.expect("something is read");
    let written = list.iter().position(|account| !account.storage_changes.is_empty());
    let written = written.expect("something is written");
    let canonical = alloy_rlp::encode(&list);
    vec![
        changed("an account missing", &|list| drop(list.pop())),
        changed("an account too many", &|list| {
            let address = Address::repeat_byte(0xff);
            list.push(AccountChanges { address, ..AccountChanges::default() });
        }),
        changed("so many accounts that no block has the gas", &|list| {
            list.extend((0..SURPLUS).map(|number| AccountChanges {
                address: Address::left_padding_from(&(u64::MAX - SURPLUS + number).to_be_bytes()),
                ..AccountChanges::default()
            }));
        }),
        changed("two accounts swapped", &|list| list.swap(0, 1)),
        changed("a read missing", &|list| {
            list[read].storage_reads.pop();
        }),
        changed("a read that is listed as a change", &|list| {
            let slot = list[read].storage_reads.pop().expect("there is one");
            list[read].storage_changes.push(SlotChanges::new(slot, vec![]));
        }),
        changed("a change at another index", &|list| {
            list[written].storage_changes[0].changes[0].block_access_index.0 += 1;
        }),
        // Bytes that encode the same list another way, and bytes that encode none.
        listed("a byte behind it", [&canonical[..], &[0]].concat()),
        listed("nothing", vec![]),
        listed("an empty list", vec![0xc0]),
        listed("an empty string", vec![0x80]),
    ]
}

/// Nodes, codes and headers keep to their lists.
#[must_use]
pub fn w09() -> Vec<Attack> {
    let honest = busy().1.input;
    let (node, code) = (honest.witness.state[0].clone(), honest.witness.codes[0].clone());
    let header = honest.witness.headers[0].clone();
    let changed = |change: &dyn Fn(&mut StatelessInput)| {
        with(&honest, |input| {
            change(input);
            sort(&mut input.witness);
        })
    };
    let moved = |from: &mut Vec<Bytes>, entry: &Bytes| from.retain(|other| other != entry);
    let code_as_node = changed(&|input| {
        moved(&mut input.witness.codes, &code);
        input.witness.state.push(code.clone());
    });
    let node_as_code = changed(&|input| {
        moved(&mut input.witness.state, &node);
        input.witness.codes.push(node.clone());
    });
    let both = changed(&|input| input.witness.codes.push(node.clone()));
    let header_as_node = changed(&|input| input.witness.state.push(header.clone()));
    vec![
        Attack::new("a code among the nodes", &honest, code_as_node, Witness)
            .tolerant(Insufficient),
        Attack::new("a node among the codes", &honest, node_as_code, Insufficient),
        Attack::new("a node among both", &honest, both, Valid),
        Attack::new("a header among the nodes", &honest, header_as_node, Witness).tolerant(Valid),
    ]
}
