//! Copies that run into a live volume: sessions that somebody reversed by hand, and copies of other programs.

use super::server::CcmServer;
use super::{register, state};
use crate::test_site::TestSite;
use serde_json::Value;

/// The exit status 3, this code, and a way on.
#[track_caller]
fn refused(test_site: &TestSite, words: &str, code: &str) -> Value {
    let document = test_site.run(&format!("{words} --json")).ends(3).json();
    assert_eq!(document["error"]["code"], code, "{words}: {document:#}");
    document["error"].clone()
}

/// `acec query` that shows a reversed pair with its volumes exchanged instead of a mark.
fn exchange_columns(ccm: &CcmServer) {
    for command in ["acec", "accopy"] {
        ccm.replace(command, EXCHANGE);
    }
}

const EXCHANGE: &str = "[ \"$1\" = query ] || exec \"$REAL\" \"$@\"\n\"$REAL\" \"$@\" | awk '{\n\
         if (/\"Source\"/) held = $0; else if (held != \"\" && /&lt;==/) { back = 1; sub(/&lt;==/, \"==>\"); mark = $0 }\n\
         else if (held != \"\" && /\"Target\"/ && back) {\n\
         source = held; target = $0; gsub(/.*\">|<\\/Data>/, \"\", source); gsub(/.*\">|<\\/Data>/, \"\", target)\n\
         print \"<Data id=\\\"Source\\\">\" target \"</Data>\"; print mark\n\
         print \"<Data id=\\\"Target\\\">\" source \"</Data>\"; held = \"\"; back = 0 }\n\
         else { if (held != \"\") { print held; held = \"\" } print } }'";

#[test]
fn a_pair_that_was_reversed_by_hand_is_never_resumed_over_the_live_volume() {
    for exchanged in [false, true] {
        let ccm = CcmServer::new(3);
        ccm.arrays.run("array write K1/0x0 --length 1MiB --seed 7").ends(0);
        let test_site = ccm.test_site(None, "");
        register(&test_site, &["K1/0x1", "K1/0x2"]);
        test_site.run("sync start tv --wait --yes").ends(0);
        test_site.run("sync suspend tv --yes").ends(0);
        ccm.arrays.run("array write K1/0x0 --scatter 20 --seed 8").ends(0);
        let live = ccm.fingerprint("K1/0x0");
        assert_ne!(live, ccm.fingerprint("K1/0x1"));
        if exchanged {
            exchange_columns(&ccm);
        }
        let said = ccm.by_hand("acec reverse -g ecdeckECK1 -p K1/0x0:K1/0x1");
        assert!(said.contains("EC Change"), "{said}");
        let query = ccm.by_hand("acec query -g ecdeckECK1 -xml");
        assert_eq!(query.contains("&lt;=="), !exchanged, "{query}");

        // Whether the engine has seen it already or not: what runs is planned on a fresh reading. While a list of all sessions
        // is older than that of the group, the direction is not known.
        let early = test_site.run("sync start tv --yes --json").ends(3).json();
        assert!(["ecd-1406", "ecd-1408"].contains(&early["error"]["code"].as_str().unwrap()), "{early:#}");
        test_site.wait_for("the direction", |status| state(status) == "reversed");
        for words in ["sync start tv --yes", "sync resume tv --yes", "sync suspend tv --yes", "backup tv --yes"] {
            let error = refused(&test_site, words, "ecd-1406");
            assert!(error["refusal"]["remedies"].as_array().is_some_and(|remedies| !remedies.is_empty()), "{error:#}");
            assert_eq!(ccm.fingerprint("K1/0x0"), live, "{words}: the live volume stays as it is");
        }
        let status = test_site.wait_for("the direction", |status| state(status) == "reversed");
        assert_eq!(status["sessions"][0]["direction"], "reversed", "{status:#}");
        assert_eq!(status["transaction_volumes"][0]["problem"]["code"], "ecd-1406");
        assert_eq!(status["pool"][0]["state"], "reversed");
        assert!(test_site.run("status").ends(0).out.contains("reversed"));
        assert!(test_site.json("history")["generations"].as_array().unwrap().is_empty());

        // Turned back by hand, it is a suspended pair like any other.
        let back = ccm.by_hand("acec reverse -g ecdeckECK1 -p K1/0x1:K1/0x0");
        assert!(back.contains("EC Change"), "{back}");
        test_site.wait_for("its old direction", |status| state(status) == "suspended");
        test_site.run("sync resume tv --yes").ends(0);
        test_site.wait_for("equivalence", |status| state(status) == "equivalent");
        assert_eq!(ccm.fingerprint("K1/0x0"), live);
        assert_eq!(ccm.fingerprint("K1/0x1"), live);

        // And reversed once more, a cancel ends it.
        test_site.run("sync suspend tv --yes").ends(0);
        ccm.by_hand("acec reverse -g ecdeckECK1 -p K1/0x0:K1/0x1");
        test_site.wait_for("the direction", |status| state(status) == "reversed");
        test_site.run("sync cancel tv --volume K1/0x1 --yes").ends(0);
        test_site.wait_for("its end", |status| state(status) == "none");
        assert!(ccm.sessions().is_empty());
        assert_eq!(ccm.fingerprint("K1/0x0"), live);
    }
}

#[test]
fn while_another_copy_writes_into_the_volume_it_is_neither_synchronized_nor_backed_up() {
    let ccm = CcmServer::new(4);
    let copy = ccm.traces().join("inbound");
    ccm.replace(
        "accopy",
        &format!(
            "[ -e {} ] || exec \"$REAL\" \"$@\"\n\"$REAL\" \"$@\" | sed 's#</Table>#<Row><Data id=\"Source\">K1/0x3</Data>\
             <Data id=\"\\&lt;=\\&gt;\">==\\&gt;</Data><Data id=\"Target\">K1/0x0</Data><Data id=\"SID\">0x77</Data>\
             <Data id=\"Type\">OPC</Data><Data id=\"Status\">\\&quot;OPC Executing\\&quot;</Data>\
             <Data id=\"Phase\">\\&quot;Copying\\&quot;</Data><Data id=\"Copied Block\">64</Data></Row></Table>#'",
            copy.display()
        ),
    );
    let test_site = ccm.test_site(None, "");
    register(&test_site, &["K1/0x1", "K1/0x2"]);
    std::fs::write(&copy, "").unwrap();
    let status = test_site.wait_for("the copy", |status| state(status) == "inbound");
    assert_eq!(status["transaction_volumes"][0]["problem"]["code"], "ecd-1407", "{status:#}");
    refused(&test_site, "sync start tv --yes", "ecd-1407");
    std::fs::remove_file(&copy).unwrap();
    test_site.wait_for("its end", |status| state(status) == "none");
    test_site.run("sync start tv --wait --yes").ends(0);

    std::fs::write(&copy, "").unwrap();
    let status = test_site.wait_for("the next copy", |status| state(status) == "inbound");
    assert_eq!(status["transaction_volumes"][0]["ready"], false);
    refused(&test_site, "backup tv --yes", "ecd-1407");
    assert!(test_site.json("history")["generations"].as_array().unwrap().is_empty());
    std::fs::remove_file(&copy).unwrap();
    test_site.wait_for("its end", |status| state(status) == "equivalent");
    test_site.run("backup tv --yes").ends(0);
}
