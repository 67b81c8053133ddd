//! Decides how many lines of a batch are in flight: enough that no worker runs out of jobs, and few enough that
//! their inputs and outputs fit in the batch's memory. Pure.

/// Number of lines in flight while nothing is known of the size of an output.
const FIRST: usize = 16;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    lines: usize,
    bytes: usize,
    in_flight: usize,
    inputs: usize,
    /// Length of the largest output so far, once there is one.
    largest: Option<usize>,
}

impl Window {
    /// Allows this number of lines, and this number of bytes of their inputs and outputs. One line is always allowed.
    pub(super) fn new(lines: usize, bytes: usize) -> Self {
        Self { lines: lines.max(1), bytes, in_flight: 0, inputs: 0, largest: None }
    }

    /// Returns whether another line has room. Its own input is not counted, so that the bytes are exceeded by one at most.
    pub(super) fn has_room(&self) -> bool {
        let most = if self.largest.is_some() { self.lines } else { self.lines.min(FIRST) };
        let outputs = self.largest.unwrap_or(0).saturating_mul(self.in_flight + 1);
        self.in_flight == 0 || self.in_flight < most && self.inputs.saturating_add(outputs) <= self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight == 0
    }

    /// Returns the number of bytes of the inputs in flight.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Notes that a line with an input of this length is in flight.
    pub(super) fn give(&mut self, input: usize) {
        self.in_flight += 1;
        self.inputs += input;
    }

    /// Notes that such a line has its outcome, with an output of this length if its job has ended.
    pub(super) fn take(&mut self, input: usize, output: Option<usize>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.inputs = self.inputs.saturating_sub(input);
        self.largest = self.largest.max(output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of lines that fit.
    fn fills(window: &mut Window, input: usize) -> usize {
        let mut count = 0;
        while window.has_room() {
            window.give(input);
            count += 1;
        }
        count
    }

    #[test]
    fn few_lines_are_in_flight_until_one_has_shown_how_large_its_output_is() {
        let mut window = Window::new(100, 1000);
        assert_eq!(fills(&mut window, 0), 16);
        window.take(0, None);
        assert_eq!(fills(&mut window, 0), 1);
        window.take(0, Some(0));
        assert_eq!(fills(&mut window, 0), 85);
        assert!(!window.is_empty());
    }

    #[test]
    fn large_inputs_and_outputs_make_it_narrow() {
        let mut window = Window::new(100, 1000);
        assert_eq!(fills(&mut window, 300), 4, "three, and one beyond");
        (0..4).for_each(|_| window.take(300, Some(0)));
        assert_eq!((window.inputs(), window.is_empty()), (0, true));
        window.give(0);
        window.take(0, Some(400));
        assert_eq!(fills(&mut window, 0), 2);
    }

    #[test]
    fn one_line_always_has_room() {
        let mut window = Window::new(0, 0);
        assert_eq!(fills(&mut window, 50), 1);
        window.take(50, Some(usize::MAX));
        assert_eq!(fills(&mut window, 50), 1);
    }
}
