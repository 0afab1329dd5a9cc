//! Every reader here against arbitrary text: it ends, does not panic, and keeps its promises.

use proptest::prelude::*;

use crate::apt::stanza;
use crate::kconfig::dotconfig::{self, DotConfig};
use crate::kconfig::expr::Expr;
use crate::kconfig::tree::Tree;
use crate::version;

/// Lines that look like Kconfig often enough to get past the first word.
fn kconfig() -> impl Strategy<Value = String> {
    const LINE: &str = "[\t ]{0,2}(config|menuconfig|choice|endchoice|if|endif|menu|endmenu|source|bool|help|depends on|\
                        select)? ?[A-Z0-9_\"'&|!()=$ é\\\\]{0,12}";
    proptest::collection::vec(LINE, 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn kconfig_of_any_kind_is_read(text in kconfig()) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Kconfig"), text).unwrap();
        let tree = Tree::read(dir.path(), "x86").unwrap();
        for name in tree.symbols.keys() {
            let _ = crate::kconfig::reason::why(&tree, &DotConfig::default(), name, "y");
        }
    }

    #[test]
    fn an_expression_prints_as_what_it_was_read_from(text in "[A-Z0-9_\"'&|!()=<>$ é]{0,40}") {
        let expr = Expr::parse(&text);
        let _ = expr.eval(&DotConfig::default());
        if !matches!(expr, Expr::Unknown(_)) && !text.contains(['"', '\'', '$']) {
            prop_assert_eq!(Expr::parse(&expr.to_string()), expr);
        }
    }

    #[test]
    fn what_is_merged_into_a_configuration_is_what_it_says(text in "(CONFIG_[A-C]=[ymn\"]{0,3}\n|# CONFIG_[A-C] is not set\n|.{0,9}\n){0,9}") {
        let merged = dotconfig::merged(&text, [("A", "y"), ("B", "n")]);
        let config = DotConfig::parse(&merged);
        prop_assert_eq!((config.get("A"), config.get("B")), ("y", "n"));
        let before = DotConfig::parse(&text);
        prop_assert_eq!(config.get("C"), before.get("C"));
    }

    #[test]
    fn stanzas_of_any_kind_are_read(text in "((Package|Version|Depends|Size|[a-z]{0,3}): ?.{0,20}\n|\n){0,20}") {
        for package in stanza::parse(&text) {
            prop_assert!(!package.name.is_empty() && !package.version.is_empty());
        }
    }

    #[test]
    fn versions_have_one_order(mut versions in proptest::collection::vec("[0-9a-z~+.:-]{0,8}", 3..6)) {
        for pair in versions.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            prop_assert_eq!(version::compare(a, b), version::compare(b, a).reverse());
        }
        versions.sort_by(|a, b| version::compare(a, b));
        for pair in versions.windows(2) {
            prop_assert!(version::compare(&pair[0], &pair[1]).is_le());
        }
    }
}
