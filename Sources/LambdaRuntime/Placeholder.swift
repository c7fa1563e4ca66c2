/// Signs and sends requests to AWS.
enum Placeholder {}
