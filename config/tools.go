package config

import (
	"context"
	"errors"
	"reflect"

	"sweetspot/consumer"
	"sweetspot/pipeline/publish"
)

// KafkaAccess reads how to get in at Kafka from the worker's variables, for
// programs that need nothing else of them.
func KafkaAccess(ctx context.Context, environ []string) (consumer.Access, error) {
	var part struct {
		Access consumer.Access `env:", prefix=KAFKA_"`
	}
	err := loadPart(ctx, environ, reflect.ValueOf(&part).Elem())
	return part.Access, errors.Join(err, part.Access.Validate())
}

// NATSAccess reads how to get in at the given NATS servers, likewise.
func NATSAccess(ctx context.Context, environ []string, servers string) (publish.Access, error) {
	var part struct {
		Access publish.Access `env:", prefix=NATS_"`
	}
	err := loadPart(ctx, environ, reflect.ValueOf(&part).Elem())
	return part.Access, errors.Join(err, part.Access.Validate(servers))
}

// loadPart reads the variables under the struct v, and minds no others.
func loadPart(ctx context.Context, environ []string, v reflect.Value) error {
	env := newEnvironment(environ)
	var faults []error
	for f := range fields(v) {
		faults = append(faults, decode(ctx, env, f))
	}
	return errors.Join(faults...)
}
