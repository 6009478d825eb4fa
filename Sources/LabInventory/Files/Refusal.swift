/// What an inventory may contain for Ansible, and not for this program.
enum Refusal {
    static func vault(at place: Place) -> InventoryError {
        InventoryError(
            .unsupported, "Ansible Vault is not read (keep secrets in ssh-agent, or decrypt the file)", at: place)
    }

    /// Refuses whole files: vaults and scripts.
    static func check(text: String, file: String) throws(InventoryError) {
        if text.hasPrefix("$ANSIBLE_VAULT") { throw vault(at: Place(file: file, line: 1)) }
        if text.hasPrefix("#!") {
            throw InventoryError(
                .unsupported, "dynamic inventory scripts are not run (save the output of 'ansible-inventory --list')",
                at: Place(file: file, line: 1))
        }
    }

    /// Refuses values that only a template engine could evaluate.
    static func check(value: String, at place: Place) throws(InventoryError) {
        if value.hasPrefix("$ANSIBLE_VAULT") { throw vault(at: place) }
        for mark in ["{{", "{%", "{#"] where value.contains(mark) {
            throw InventoryError(
                .unsupported, "Jinja is not evaluated: '\(value.trimmed.prefix(60))' (write the value itself)",
                at: place)
        }
    }
}
