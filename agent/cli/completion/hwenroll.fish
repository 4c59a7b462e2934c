# fish completion for hwenroll(1). Installed as /usr/share/fish/vendor_completions.d/hwenroll.fish.
# tests/documents/completion_test.cpp holds it against `hwenroll --help`.

# The words of the command line that are neither options nor their values.
function __hwenroll_words
    set -l wanted ''
    for word in (commandline -opc)[2..]
        if test -n "$wanted"
            set wanted ''
        else if contains -- $word --config --certificate --out --module --recipient-key --identity --limit --timeout \
                --nonce --fingerprint --key --textfile -w --warning -c --critical --url --ca-preset --ca --name \
                --subject --san --tcti --token --envelope --pin-file --challenge-file --state-dir --dir
            set wanted $word
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# The words so far are these and no more.
function __hwenroll_is
    set -l words (__hwenroll_words)
    test "$words" = "$argv"
end

# The words so far begin with these.
function __hwenroll_in
    set -l words (__hwenroll_words)
    test (count $words) -ge (count $argv); and test "$words[1..$(count $argv)]" = "$argv"
end

# What the program says, or nothing: no error is shown, and the shell waits two seconds at most.
function __hwenroll_ask
    set -l words (commandline -opc)
    set -l config
    for i in (seq 2 (count $words))
        if test "$words[$i]" = --config; and test $i -lt (count $words)
            set config --config (string replace -r '^~/' "$HOME/" -- $words[(math $i + 1)])
        else if string match -q -- '--config=*' $words[$i]
            set config (string replace -r '^--config=~/' -- "--config=$HOME/" $words[$i])
        end
    end
    timeout 2 $words[1] $config $argv 2>/dev/null </dev/null
end

# NAME of each [KIND.NAME] of the configuration in force.
function __hwenroll_sections
    __hwenroll_ask cat-config | string replace -rf "^\[$argv[1]\.\"?([^]\"]*)\"?\].*" '$1'
end

function __hwenroll_identities
    set -l names (__hwenroll_ask list | string replace -r ' .*' '')[2..]
    # state.db is not for everybody; the configuration may be.
    test -n "$names"; and printf '%s\n' $names; or __hwenroll_sections identity
end

function __hwenroll_codes
    __hwenroll_ask explain | string replace -rf '^(E-\S+) +[0-9]+ +(.*)' '$1\t$2'
end

complete -c hwenroll -f

complete -c hwenroll -l config -r -F -d 'configuration file, instead of /etc/hwenroll'
complete -c hwenroll -l json -d 'print JSON with a versioned schema'
complete -c hwenroll -l no-color -d 'no colours, even on a terminal'
complete -c hwenroll -s h -l help -d 'print the options'
complete -c hwenroll -l version -d 'print the version'

complete -c hwenroll -n __hwenroll_is -a check-config -d 'read the configuration and report every fault'
complete -c hwenroll -n __hwenroll_is -a cat-config -d 'print the configuration in force'
complete -c hwenroll -n __hwenroll_is -a explain -d 'what an error code means and what to do'
complete -c hwenroll -n __hwenroll_is -a status -d 'state of all identities, or of one'
complete -c hwenroll -n __hwenroll_is -a list -d 'configured identities'
complete -c hwenroll -n __hwenroll_is -a history -d 'what has happened, newest first'
complete -c hwenroll -n __hwenroll_is -a enroll -d 'enroll an identity now'
complete -c hwenroll -n __hwenroll_is -a renew -d "renew an identity's certificate now"
complete -c hwenroll -n __hwenroll_is -a wait -d 'wait until an identity has settled'
complete -c hwenroll -n __hwenroll_is -a cancel -d 'abandon what is under way'
complete -c hwenroll -n __hwenroll_is -a resume -d 'end a hold and let the PIN be tried again'
complete -c hwenroll -n __hwenroll_is -a adopt -d 'take over a certificate'
complete -c hwenroll -n __hwenroll_is -a monitor -d 'print what happens as it happens'
complete -c hwenroll -n __hwenroll_is -a attest -d "have the TPM certify that it holds an identity's key"
complete -c hwenroll -n __hwenroll_is -a ca -d 'certificate authorities'
complete -c hwenroll -n __hwenroll_is -a crl -d 'certificate revocation lists'
complete -c hwenroll -n __hwenroll_is -a cert -d 'certificates of a CA'
complete -c hwenroll -n __hwenroll_is -a token -d 'tokens and their keys'
complete -c hwenroll -n __hwenroll_is -a scep -d 'SCEP messages'
complete -c hwenroll -n __hwenroll_is -a init -d 'write a first configuration'
complete -c hwenroll -n __hwenroll_is -a plan -d 'what would be done, when and why'
complete -c hwenroll -n __hwenroll_is -a check -d 'a check for monitoring systems'
complete -c hwenroll -n __hwenroll_is -a doctor -d 'say what is wrong and what to do'
complete -c hwenroll -n __hwenroll_is -a bugreport -d 'gather what a report of a bug needs'
complete -c hwenroll -n __hwenroll_is -a metrics -d 'print Prometheus metrics'

complete -c hwenroll -n '__hwenroll_is ca' -a show -d 'fingerprints of a CA; trusts nothing'
complete -c hwenroll -n '__hwenroll_is ca' -a accept-next -d 'trust the successor that a CA has announced'
complete -c hwenroll -n '__hwenroll_is crl' -a fetch -d 'fetch and publish the CRL of a CA now'
complete -c hwenroll -n '__hwenroll_is cert' -a fetch -d 'ask a CA for a certificate by its serial number'
complete -c hwenroll -n '__hwenroll_is token' -a list -d 'tokens of the configured modules'
complete -c hwenroll -n '__hwenroll_is token' -a keys -d 'private keys on the configured tokens'
complete -c hwenroll -n '__hwenroll_is token' -a purge -d 'keys that nothing needs any more'
complete -c hwenroll -n '__hwenroll_is scep' -a decode -d 'print what a saved message holds'

for __hwenroll_command in status history enroll renew wait cancel resume adopt attest plan
    complete -c hwenroll -n "__hwenroll_is $__hwenroll_command" -a '(__hwenroll_identities)'
end
set -e __hwenroll_command
complete -c hwenroll -n '__hwenroll_is ca show' -a '(__hwenroll_sections ca)'
complete -c hwenroll -n '__hwenroll_is ca accept-next' -a '(__hwenroll_sections ca)'
complete -c hwenroll -n '__hwenroll_is crl fetch' -a '(__hwenroll_sections ca)'
complete -c hwenroll -n '__hwenroll_is cert fetch' -a '(__hwenroll_sections ca)'
complete -c hwenroll -n '__hwenroll_is token keys' -a '(__hwenroll_sections token)'
complete -c hwenroll -n '__hwenroll_is token purge' -a '(__hwenroll_sections token)'
complete -c hwenroll -n '__hwenroll_is explain' -a '(__hwenroll_codes)'
complete -c hwenroll -n '__hwenroll_is scep decode' -F

complete -c hwenroll -n '__hwenroll_in history' -l limit -x -d 'entries at most'
complete -c hwenroll -n '__hwenroll_in enroll' -l wait -d 'wait until it has settled'
complete -c hwenroll -n '__hwenroll_in renew' -l rekey -d 'with a new key'
complete -c hwenroll -n '__hwenroll_in wait' -l timeout -x -d 'seconds'
complete -c hwenroll -n '__hwenroll_in monitor' -l timeout -x -d 'seconds'
complete -c hwenroll -n '__hwenroll_in adopt' -l certificate -r -F -d 'PEM file: the certificate, then its chain'
complete -c hwenroll -n '__hwenroll_in adopt' -l wait -d 'wait until it has settled'
complete -c hwenroll -n '__hwenroll_in attest' -l nonce -x -d 'what the verifier sent, in hexadecimal'
complete -c hwenroll -n '__hwenroll_in attest' -l out -r -F -d "directory for the evidence's files"
complete -c hwenroll -n '__hwenroll_in ca accept-next' -l fingerprint -x -d 'SHA-256 that it must have'
complete -c hwenroll -n '__hwenroll_in cert fetch' -l out -r -F -d 'file to write it to'
complete -c hwenroll -n '__hwenroll_in token list' -l module -r -F -d 'PKCS#11 module to ask instead'
complete -c hwenroll -n '__hwenroll_in token purge' -l identity -x -a '(__hwenroll_identities)' -d 'only those of this identity'
complete -c hwenroll -n '__hwenroll_in token purge' -l key -x -d 'only the key with this id, in hexadecimal'
complete -c hwenroll -n '__hwenroll_in token purge' -l yes -d 'destroy them'
complete -c hwenroll -n '__hwenroll_in scep decode' -l recipient-key -r -F -d 'PEM file with a software key'
complete -c hwenroll -n '__hwenroll_in init' -l url -x -d "the CA's SCEP service"
complete -c hwenroll -n '__hwenroll_in init' -l ca-preset -x -a 'ndes cisco-ios' -d 'completes a URL that is only a host'
complete -c hwenroll -n '__hwenroll_in init' -l ca -x -a '(__hwenroll_sections ca)' -d "name of the CA's section"
complete -c hwenroll -n '__hwenroll_in init' -l name -x -d 'name of the identity'
complete -c hwenroll -n '__hwenroll_in init' -l subject -x -d 'its distinguished name'
complete -c hwenroll -n '__hwenroll_in init' -l san -x -d 'another name of it'
complete -c hwenroll -n '__hwenroll_in init' -l fingerprint -x -d 'SHA-256 of the CA, confirmed by its operator'
complete -c hwenroll -n '__hwenroll_in init' -l module -r -F -d 'look into this PKCS#11 module only'
complete -c hwenroll -n '__hwenroll_in init' -l tcti -x -d 'look at this TPM only'
complete -c hwenroll -n '__hwenroll_in init' -l token -x -a '(__hwenroll_sections token)' -d 'label, serial number or URI of the token, or tpm2'
complete -c hwenroll -n '__hwenroll_in init' -l key -x -d 'kind of key'
complete -c hwenroll -n '__hwenroll_in init' -l envelope -x -a 'agree password token-rsa' -d 'how replies reach an EC key'
complete -c hwenroll -n '__hwenroll_in init' -l pin-file -r -F -d "file with the token's PIN; -: a line of standard input"
complete -c hwenroll -n '__hwenroll_in init' -l drop-in -d 'let hwenrolld.service reach the token, by a drop-in of the unit'
complete -c hwenroll -n '__hwenroll_in init' -l challenge-file -r -F -d 'file with the challenge; -: the next line of it'
complete -c hwenroll -n '__hwenroll_in init' -l state-dir -r -F -d 'in place of /var/lib/hwenroll'
complete -c hwenroll -n '__hwenroll_in init' -l dir -r -F -d 'directory of the configuration'
complete -c hwenroll -n '__hwenroll_in doctor' -l against-ca -d 'ask the CAs too'
complete -c hwenroll -n '__hwenroll_in check' -s w -l warning -x -d 'life left for a warning'
complete -c hwenroll -n '__hwenroll_in check' -s c -l critical -x -d 'life left for critical'
complete -c hwenroll -n '__hwenroll_in check' -l without-daemon -d 'none has to run'
complete -c hwenroll -n '__hwenroll_in check' -a '(__hwenroll_identities)'
complete -c hwenroll -n '__hwenroll_in metrics' -l textfile -r -F -d 'file to write them to at once'
complete -c hwenroll -n '__hwenroll_in bugreport' -l out -r -F -d 'new file for it'
