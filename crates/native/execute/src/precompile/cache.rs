//! A bounded memory of answers: what the pool or a builder has run, a block runs again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{B256, Bytes};
use ethrex_types::Fork;

use crate::failure::FailureClass;

/// Answers that are kept. Each is some 1 KiB.
const MAX_ANSWERS: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) input: B256,
    pub(crate) level: u8,
    pub(crate) fork: Fork,
}

pub(crate) type Answer = Result<Bytes, FailureClass>;

/// Forgets the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    by_key: HashMap<Key, Answer>,
    order: VecDeque<Key>,
}

impl Cache {
    pub(crate) fn get(&self, key: &Key) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_key.get(key).cloned()
    }

    pub(crate) fn put(&self, key: Key, answer: Answer) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.by_key.insert(key, answer).is_some() {
            return;
        }
        answers.order.push_back(key);
        if answers.order.len() > MAX_ANSWERS
            && let Some(oldest) = answers.order.pop_front()
        {
            answers.by_key.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_answer_goes_first() {
        let cache = Cache::default();
        let key = |number: usize| Key {
            input: B256::from(alloy_primitives::U256::from(number)),
            level: 0,
            fork: Fork::Amsterdam,
        };
        for number in 0..=MAX_ANSWERS {
            cache.put(key(number), Ok(Bytes::new()));
            cache.put(key(number), Err(FailureClass::Blob));
        }
        assert!(cache.get(&key(0)).is_none());
        assert!(matches!(cache.get(&key(1)), Some(Err(FailureClass::Blob))));
        assert!(cache.get(&Key { level: 1, ..key(1) }).is_none());
        assert_eq!(cache.0.lock().unwrap().order.len(), MAX_ANSWERS);
    }
}
