//! Strings that end a text, found while the text comes in pieces.

/// Watches a text for the first occurrence of any of some strings.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    strings: Vec<String>,
    /// Text that may be the beginning of one of them.
    held: String,
}

impl StopStrings {
    /// Strings, none of them empty.
    pub fn new(strings: &[String]) -> Self {
        Self { strings: strings.to_vec(), held: String::new() }
    }

    /// Takes a piece. Gives what is surely before every stop string, and whether one of them came.
    pub fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        if let Some(at) = self.strings.iter().filter_map(|s| self.held.find(s.as_str())).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let may_begin = |at: &usize| self.strings.iter().any(|s| s.starts_with(&self.held[*at..]));
        let mut starts = self.held.char_indices().map(|(at, _)| at);
        let at = starts.find(may_begin).unwrap_or(self.held.len());
        let rest = self.held.split_off(at);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What is left when no more text comes.
    pub fn finish(self) -> String {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_string_across_pieces_is_found_and_nothing_of_it_is_given() {
        let mut stop = StopStrings::new(&["END".into(), "\n\n".into()]);
        assert_eq!(stop.push("one E"), ("one ".into(), false));
        assert_eq!(stop.push("N"), (String::new(), false));
        assert_eq!(stop.push("Dx"), (String::new(), true));
    }

    #[test]
    fn what_only_looked_like_one_is_given_later() {
        let mut stop = StopStrings::new(&["END".into()]);
        assert_eq!(stop.push("EEN"), ("E".into(), false));
        assert_eq!(stop.push("é"), ("ENé".into(), false));
        assert_eq!(stop.push("E"), (String::new(), false));
        assert_eq!(stop.finish(), "E");
    }

    #[test]
    fn without_strings_everything_passes() {
        let mut stop = StopStrings::new(&[]);
        assert_eq!(stop.push("text"), ("text".into(), false));
        assert_eq!(stop.finish(), "");
    }
}
