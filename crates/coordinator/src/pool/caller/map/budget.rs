//! Bounds the work of one poll of a map, so that it does not keep its thread from other tasks.

/// Maximum number of inputs of one poll.
const INPUTS: usize = 1_024;

/// Size of the inputs in bytes at which a poll takes no further one.
const BYTES: usize = 1 << 20;

/// The inputs and bytes that a poll may still prepare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    inputs: usize,
    bytes: usize,
}

impl Budget {
    pub(super) const WHOLE: Self = Self { inputs: INPUTS, bytes: BYTES };

    /// Takes note of an input of `bytes`.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.inputs = self.inputs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.inputs == 0 || self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spent_by_many_inputs_or_by_long_ones() {
        let mut budget = Budget::WHOLE;
        (1..INPUTS).for_each(|_| budget.spend(0));
        assert!(!budget.is_spent());
        budget.spend(0);
        assert!(budget.is_spent());
        let mut budget = Budget::WHOLE;
        budget.spend(usize::MAX);
        assert!(budget.is_spent());
    }
}
