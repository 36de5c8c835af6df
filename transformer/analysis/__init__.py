"""Pure numpy over attention: pictures of it (`views`), figures about heads (`statistics`), rollout through layers."""
