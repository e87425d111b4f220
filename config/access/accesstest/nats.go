package accesstest

import (
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// A NATSUser is an nkey with its seed.
type NATSUser struct{ Public, Seed string }

// NewNATSUser makes a user.
func NewNATSUser(tb testing.TB) NATSUser {
	tb.Helper()
	public, kp := keys(tb, nkeys.CreateUser)
	seed, err := kp.Seed()
	if err != nil {
		tb.Fatal(err)
	}
	return NATSUser{public, string(seed)}
}

func keys(tb testing.TB, create func() (nkeys.KeyPair, error)) (public string, kp nkeys.KeyPair) {
	tb.Helper()
	kp, err := create()
	if err == nil {
		public, err = kp.PublicKey()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return public, kp
}

// A NATSOperator runs servers whose users come with credentials. It has an
// account of the system and one of workers, with JetStream.
type NATSOperator struct {
	Claims   *jwt.OperatorClaims
	System   string            // the system's account
	Accounts map[string]string // the JWT of each account

	tb      testing.TB
	workers nkeys.KeyPair
}

// NewNATSOperator makes an operator.
func NewNATSOperator(tb testing.TB) NATSOperator {
	tb.Helper()
	o := NATSOperator{tb: tb, Accounts: make(map[string]string)}
	public, kp := keys(tb, nkeys.CreateOperator)
	system, _ := keys(tb, nkeys.CreateAccount)
	workers, key := keys(tb, nkeys.CreateAccount)
	o.System, o.workers = system, key
	for _, account := range []string{system, workers} {
		claims := jwt.NewAccountClaims(account)
		if account == workers {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		text, err := claims.Encode(kp)
		if err != nil {
			tb.Fatal(err)
		}
		o.Accounts[account] = text
	}
	claims := jwt.NewOperatorClaims(public)
	claims.SystemAccount = system
	text, err := claims.Encode(kp)
	if err == nil {
		o.Claims, err = jwt.DecodeOperatorClaims(text)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// Creds returns the credentials of a new user of the workers' account, valid for
// a while, or for ever where that is 0.
func (o NATSOperator) Creds(valid time.Duration) string {
	o.tb.Helper()
	u := NewNATSUser(o.tb)
	claims := jwt.NewUserClaims(u.Public)
	if valid != 0 {
		claims.Expires = time.Now().Add(valid).Unix()
	}
	text, err := claims.Encode(o.workers)
	if err != nil {
		o.tb.Fatal(err)
	}
	file, err := jwt.FormatUserConfig(text, []byte(u.Seed))
	if err != nil {
		o.tb.Fatal(err)
	}
	return string(file)
}
