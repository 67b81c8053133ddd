//! The choice of a person, and how keys change it. Pure.

use super::model::Model;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The choice of a person.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The pool whose workers are shown. Until there is a choice, the first.
    chosen: Option<String>,
    pub(super) server: String,
    pub(super) in_colour: bool,
}

/// The effect of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    End,
    Draw,
    Nothing,
}

impl View {
    pub(super) fn new(server: String, in_colour: bool) -> Self {
        Self { chosen: None, server, in_colour }
    }

    /// Returns the place of the chosen pool in the list. If it is gone, that of the one that would follow it.
    pub(super) fn index(&self, model: &Model) -> usize {
        let chosen = self.chosen.as_deref().unwrap_or_default();
        let before = model.pools.keys().take_while(|name| name.as_str() < chosen).count();
        before.min(model.pools.len().saturating_sub(1))
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent, model: &Model) -> Step {
        if !key.is_press() {
            return Step::Nothing;
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Step::End,
            KeyCode::Char('q') | KeyCode::Esc => Step::End,
            KeyCode::Up | KeyCode::Char('k') => self.choose(model, self.index(model).saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.choose(model, self.index(model) + 1),
            KeyCode::Home => self.choose(model, 0),
            KeyCode::End => self.choose(model, usize::MAX),
            _ => Step::Nothing,
        }
    }

    fn choose(&mut self, model: &Model, index: usize) -> Step {
        let last = model.pools.len().saturating_sub(1);
        self.chosen = model.pools.keys().nth(index.min(last)).cloned();
        Step::Draw
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_client::events::Event;

    fn model(pools: &[&str]) -> Model {
        let pools: Vec<_> = pools.iter().map(|name| format!("{name:?}:{{}}")).collect();
        let data = format!("{{\"t\":1,\"pools\":{{{}}}}}", pools.join(","));
        let mut model = Model::default();
        model.take(&Event { name: "snapshot".into(), data }).unwrap();
        model
    }

    #[test]
    fn a_choice_stays_with_its_pool_while_others_come_and_go() {
        let three = model(&["a", "c", "e"]);
        let mut view = View::default();
        assert_eq!(view.index(&three), 0);
        assert_eq!(view.key(KeyCode::Up.into(), &three), Step::Draw);
        assert_eq!(view.index(&three), 0);
        view.key(KeyCode::Down.into(), &three);
        assert_eq!(view.index(&three), 1);
        assert_eq!(view.index(&model(&["a", "b", "c", "e"])), 2);
        assert_eq!(view.index(&model(&["a", "e"])), 1, "it is gone");
        assert_eq!(view.index(&model(&[])), 0);
        view.key(KeyCode::End.into(), &three);
        view.key(KeyCode::Char('j').into(), &three);
        assert_eq!(view.index(&three), 2);
    }

    #[test]
    fn some_keys_end_it_and_others_do_nothing() {
        let none = model(&[]);
        let mut view = View::default();
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for end in [KeyCode::Char('q').into(), KeyCode::Esc.into(), control_c] {
            assert_eq!(view.key(end, &none), Step::End);
        }
        assert_eq!(view.key(KeyCode::Char('c').into(), &none), Step::Nothing);
        assert_eq!(view.key(KeyCode::Down.into(), &none), Step::Draw);
    }
}
