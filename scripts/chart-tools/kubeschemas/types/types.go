// Package types names the custom resources that the chart can make. controller-gen
// reads their definitions out of these packages; nothing of them is called.
package types

import (
	_ "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	_ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)
