package app

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) versionCommand() *cobra.Command {
	var clientOnly bool
	var revision string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print which build this is, and which image the injector in the cluster runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(p.stdout, "client: "+p.build.String())
			if clientOnly {
				return nil
			}
			client, err := p.client()
			if err != nil {
				return fmt.Errorf("server: %w (with --client only this program is asked)", err)
			}
			c, err := find(cmd.Context(), live{client}, revision)
			if c == nil {
				return fmt.Errorf("server: %w (with --client only this program is asked)", err)
			}
			_, err = fmt.Fprintf(p.stdout, "server: %s (%s)\n", c.image, c.origin)
			return err
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "do not ask the cluster")
	cmd.Flags().StringVar(&revision, "revision", "", "`name` of the injector's revision, in a cluster with several")
	return cmd
}
